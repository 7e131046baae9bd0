import Foundation
import Tensors

/// Improved pseudo linear multistep sampling for models whose time runs from 1 to 0 (Liu et al., 2022, formulas 9 and
/// 12; diffusers' `IPNDMScheduler`). A UNet that was trained on timesteps 0…999 gets numbers that it has not seen.
package struct IPNDMScheduler: Scheduler {
  package let timesteps: [Float]
  package let initialSigma: Float = 1
  /// The last four slopes.
  package var history = SchedulerHistory()
  /// The noise's factor at each step, then the one after the last.
  private let noises: [Float]
  /// The image's factor at each step, then the one after the last.
  private let images: [Float]

  /// - Throws: `DiffusionError` for settings that the method cannot take.
  package init(_ configuration: SchedulerConfiguration, steps: Int) throws {
    // diffusers' class takes listed betas for the steps themselves, whatever their number is asked to be.
    guard !configuration.betas.isListed else {
      throw DiffusionError.unsupported(file: "scheduler", key: "trained_betas", value: "with ipndm")
    }
    // The class knows no kinds of prediction.
    let times = BetaSchedule.linspace(1, 0, steps + 1).dropLast() + [0]
    noises = times.map { time in
      let sine = sin(time * Float.pi / 2)
      return sine * sine
    }
    images = noises.map { (1 - $0 * $0).squareRoot() }
    timesteps = zip(noises, images).dropLast().map { atan2($0, $1) / Float.pi * 2 }
  }

  /// Image and noise in the call's proportions. diffusers' class cannot add noise to a picture; this is what its
  /// steps undo.
  package func noised(_ sample: Tensor, noise: Tensor, call: Int) -> Tensor {
    combine(images[call], sample, noises[call], noise)
  }

  /// The image that a velocity implies: whatever the UNet predicts, the method takes it for one.
  package func image(
    _ output: Tensor, sample: Tensor, call: Int, _ prediction: SchedulerConfiguration.Prediction
  ) -> Tensor {
    SchedulerConfiguration.Prediction.velocity.image(
      output, sample: sample, alpha: images[call], sigma: noises[call])
  }

  /// One multistep step; `noise` is never drawn.
  package mutating func step(_ index: Int, output: Tensor, sample: Tensor, noise: () -> Tensor) -> Tensor {
    history.remember(combine(noises[index], sample, images[index], output), limit: 4)
    let slope = history.adamsBashforth
    // Formula 9: the image that the slope implies, and as much of the slope as the next step has noise. At the start
    // there is no image at all; the reference divides by 1e-8 there.
    let divisor = max(images[index], 1e-8)
    let image = combine(1 / divisor, sample, -noises[index] / divisor, slope)
    return combine(images[index + 1], image, noises[index + 1], slope)
  }
}

extension SchedulerHistory {
  /// The Adams–Bashforth slope from the outputs so far, at most four (Liu et al., 2022, formula 12).
  var adamsBashforth: Tensor {
    switch outputs.count {
    case 1: output(0)
    case 2: combine(3 / 2, output(0), -1 / 2, output(1))
    case 3: combine((23 / 12, output(0)), (-16 / 12, output(1)), (5 / 12, output(2)))
    default:
      combine((55 / 24, output(0)), (-59 / 24, output(1)), (37 / 24, output(2)), (-9 / 24, output(3)))
    }
  }
}
