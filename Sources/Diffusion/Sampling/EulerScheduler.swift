import Foundation
import Tensors

/// Euler steps along the probability flow (Karras et al., 2022, algorithm 1 without churn;
/// diffusers' `EulerDiscreteScheduler`).
package struct EulerScheduler: Scheduler {
  package let timesteps: [Float]
  package let initialSigma: Float
  private let configuration: SchedulerConfiguration
  /// The noise level at each step, then the one after the last.
  private let sigmas: [Float]

  /// - Throws: `DiffusionError` for settings and step counts that the method cannot take.
  package init(_ configuration: SchedulerConfiguration, steps: Int) throws {
    let settings = configuration.sigmas
    let schedule = try SigmaSchedule(
      continuous: configuration, steps: steps, trained: configuration.trainedSigmas(),
      shape: settings.shape(), final: settings.final, interpolation: settings.interpolation)
    self.configuration = configuration
    sigmas = schedule.sigmas
    initialSigma = schedule.initialSigma(configuration.spacing ?? .linspace)
    let continuous = settings.timestepKind == .continuous && configuration.prediction == .velocity
    guard !continuous || configuration.listedTimesteps == nil else {
      throw DiffusionError.unsupported(
        file: "scheduler", key: "timestep_type", value: "continuous with timesteps")
    }
    timesteps =
      continuous
      ? schedule.sigmas.prefix(schedule.timesteps.count).map { 0.25 * log($0) } : schedule.timesteps
  }

  /// The sample at unit variance, as the UNet was trained to see it.
  package func scaled(_ sample: Tensor, step: Int) -> Tensor {
    scaledInput(sample, sigma: sigmas[step])
  }

  /// The image plus noise of the call's deviation.
  package func noised(_ sample: Tensor, noise: Tensor, call: Int) -> Tensor {
    combine(1, sample, sigmas[call], noise)
  }

  /// One Euler step; `noise` is never drawn.
  package mutating func step(_ index: Int, output: Tensor, sample: Tensor, noise: () -> Tensor) -> Tensor {
    let sigma = sigmas[index]
    return configuration.moved(output, sample: sample, sigma: sigma, change: sigmas[index + 1] - sigma)
  }
}

/// Scales a sample, the sum of an image of deviation 1 and noise of deviation `sigma`, to deviation 1.
func scaledInput(_ sample: Tensor, sigma: Float) -> Tensor {
  combine(1 / (sigma * sigma + 1).squareRoot(), sample, 0, sample)
}
