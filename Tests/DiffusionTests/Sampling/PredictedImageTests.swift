import Checkpoints
import Diffusion
import Foundation
import GoldenModels
import Requests
import Tensors
import TestSupport
import Testing

/// The clean image that an output implies. A UNet that knows the image says at every call what leads to it; what it sees
/// of image and noise follows from the call's timestep alone.
@Suite struct PredictedImageTests {
  private static let steps = 8
  private static let bound = 4e-3

  /// The factors of image and noise at a timestep of the training schedule. Between two of them their ratio is
  /// interpolated by its logarithm, as samplers do that go between.
  private func factors(at timestep: Float) -> (image: Double, noise: Double) {
    let (first, last) = (0.00085.squareRoot(), 0.012.squareRoot())
    var product = 1.0
    let ratios = (0..<1000).map { step in
      let root = first + (last - first) * Double(step) / 999
      product *= 1 - root * root
      return log(((1 - product) / product).squareRoot())
    }
    let place = min(max(Double(timestep), 0), 999)
    let (low, high) = (Int(place), min(Int(place) + 1, 999))
    let ratio = exp(ratios[low] + (ratios[high] - ratios[low]) * (place - Double(low)))
    let image = 1 / (ratio * ratio + 1).squareRoot()
    return (image, ratio * image)
  }

  /// What the UNet says if it knows the image.
  /// - Parameters:
  ///   - name: the method, for those that are not of the training schedule.
  ///   - seen: what the UNet sees.
  ///   - image: the image.
  ///   - timestep: of the call.
  ///   - isVelocity: whether it predicts the velocity and not the noise.
  private func output(
    _ name: SchedulerName, seen: Tensor, image: Tensor, timestep: Float, isVelocity: Bool
  ) -> Tensor {
    let values: [Double]
    switch name {
    case .edmEuler, .edmDPMpp2M:
      // Karras et al., 2022, table 1, with an image of deviation 1/2.
      let level = exp(4 * Double(timestep))
      let sum = (level * level + 0.25).squareRoot()
      let sign = isVelocity ? -1.0 : 1.0
      values = zip(seen.values, image.values).map { seen, image in
        (Double(image) - 0.25 / (sum * sum) * Double(seen) * sum) / (sign * level * 0.5 / sum)
      }
    case .ipndm:
      let (a, b) = (cos(Double(timestep) * .pi / 2), sin(Double(timestep) * .pi / 2))
      values = zip(seen.values, image.values).map { (a * Double($0) - Double($1)) / b }
    default:
      let (a, b) = factors(at: timestep)
      values = zip(seen.values, image.values).map { seen, image in
        isVelocity ? (a * Double(seen) - Double(image)) / b : (Double(seen) - a * Double(image)) / b
      }
    }
    return Tensor(shape: seen.shape, values: values.map { Float($0) })
  }

  @Test(arguments: SchedulerName.allCases, [false, true])
  func everyCallOfEveryMethod(name: SchedulerName, isVelocity: Bool) throws {
    let file = try ConfigObject(contentsOf: Places.golden("merges/all-3x2/scheduler/scheduler_config.json"))
    var configuration = try SchedulerConfiguration(file)
    configuration.prediction = isVelocity ? .velocity : .epsilon
    var scheduler = try name.method.scheduler(configuration, steps: Self.steps)
    var noise = TorchNoise(seed: 11)
    let image = noise.latents(channels: 4, height: 6, width: 5)
    let first = noise.latents(channels: 4, height: 6, width: 5)
    // Enough of the image for methods that start from nearly pure noise; then on by the method's own steps.
    var sample = scheduler.noised(image, noise: first, call: 0)
    for call in scheduler.timesteps.indices {
      let output = output(
        name, seen: scheduler.scaled(sample, step: call), image: image,
        timestep: scheduler.timesteps[call], isVelocity: isVelocity)
      let found = scheduler.image(output, sample: sample, call: call, configuration.prediction)
      let error = relativeError(found, image)
      // Karras's levels have timesteps that are rounded to whole ones.
      #expect(error < Self.bound, "call \(call) of \(scheduler.timesteps.count): relative error \(error)")
      // Another level is far away.
      if call == scheduler.timesteps.count / 2 {
        let wrong = scheduler.image(output, sample: sample, call: call / 2, configuration.prediction)
        #expect(!(relativeError(wrong, image) < 10 * Self.bound), "call \(call) with another level")
      }
      sample = scheduler.step(call, output: output, sample: sample) {
        noise.latents(channels: 4, height: 6, width: 5)
      }
    }
  }
}
