import Foundation
import Tensors

/// Steps of the reverse diffusion SDE by way of their middles, with the noise of a Brownian motion (Lu et al., 2022,
/// "DPM-Solver++", as Katherine Crowson's k-diffusion has it, `sample_dpmpp_sde`; diffusers'
/// `DPMSolverSDEScheduler`). Each step takes two UNet calls, the last only one.
///
/// The motion's seed is the file's `noise_sampler_seed`, else the picture's. The reference draws a random one then.
package struct DPMSolverSDEScheduler: Scheduler {
  package let timesteps: [Float]
  package let initialSigma: Float
  /// Between the two calls of a step, the sample where it began; otherwise empty.
  package var history = SchedulerHistory()
  private let configuration: SchedulerConfiguration
  private let schedule: MidpointSchedule
  private let motion: BrownianTree

  /// - Throws: `DiffusionError` for settings and step counts that the method cannot take.
  package init(_ configuration: SchedulerConfiguration, steps: Int) throws {
    let (steps, trained) = try configuration.midpointSteps(
      steps, method: "dpmpp_sde", rounded: false, limited: false)
    schedule = try MidpointSchedule(steps, trained: trained) { _, next in next }
    self.configuration = configuration
    initialSigma = steps.initialSigma(configuration.spacing ?? .linspace)
    timesteps = schedule.timesteps
    let levels = schedule.levels.dropLast()
    motion = BrownianTree(
      from: Double(levels.last ?? 0), to: Double(levels.first ?? 0),
      seed: configuration.noiseSeed ?? 0)
  }

  /// 2: a step's start and its middle.
  package var order: Int { 2 }

  /// The sample at unit variance, as the UNet was trained to see it.
  package func scaled(_ sample: Tensor, step: Int) -> Tensor {
    scaledInput(sample, sigma: schedule.level(at: step))
  }

  /// The image plus noise of the call's deviation.
  package func noised(_ sample: Tensor, noise: Tensor, call: Int) -> Tensor {
    combine(1, sample, schedule.noisedLevel(at: call), noise)
  }

  /// The image without the noise of the sample's own level, which a middle has too.
  package func image(
    _ output: Tensor, sample: Tensor, call: Int, _ prediction: SchedulerConfiguration.Prediction
  ) -> Tensor {
    prediction.image(output, sample: sample, alpha: 1, sigma: schedule.level(at: call))
  }

  /// One of a step's two calls; `noise` is never drawn, since the motion has its own.
  package mutating func step(_ index: Int, output: Tensor, sample: Tensor, noise: () -> Tensor) -> Tensor {
    let step = index / 2
    let level = schedule.level(at: index)
    guard step + 1 < schedule.middles.count else {
      return configuration.moved(output, sample: sample, sigma: level, change: -level)
    }
    let isMiddle = index % 2 == 1
    let start = history.sample ?? sample
    history.sample = isMiddle ? nil : sample
    let image = configuration.image(output, sample: sample, sigma: level)
    // The reference goes by way of logarithms. The motion is looked at to six decimals, so the last bit counts.
    let from = exp(log(schedule.levels[step]))
    let to = isMiddle ? exp(log(schedule.levels[step + 1])) : schedule.middles[step]
    let move = AncestralStep(from: from, to: to)
    let up = min(to, move.up)
    let kept = move.down / from
    let moved = combine(kept, isMiddle ? start : sample, 1 - kept, image)
    let length = abs(from - to).squareRoot()
    guard let fresh = motion.increment(from: Double(to), to: Double(from), shape: sample.shape) else {
      return moved
    }
    return combine(1, moved, -up / length, fresh)
  }
}
