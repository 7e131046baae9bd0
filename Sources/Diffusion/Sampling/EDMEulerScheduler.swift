import Tensors

/// Euler steps with EDM's scalings, for models that were trained with them (Karras et al., 2022, algorithm 1 without
/// churn; diffusers' `EDMEulerScheduler`).
package struct EDMEulerScheduler: Scheduler {
  package let timesteps: [Float]
  package let initialSigma: Float
  private let scaling: EDMPreconditioning
  private let levels: [Float]

  /// - Throws: `DiffusionError` for settings that the method cannot take.
  package init(_ configuration: SchedulerConfiguration, steps: Int) throws {
    scaling = try EDMPreconditioning(configuration, method: "edm_euler")
    let schedule = EDMSchedule(configuration.sigmas, steps: steps, isDouble: true)
    levels = schedule.levels
    timesteps = schedule.timesteps
    initialSigma = schedule.initialSigma
  }

  /// The sample at unit variance, as the UNet was trained to see it.
  package func scaled(_ sample: Tensor, step: Int) -> Tensor { scaling.scaled(sample, level: levels[step]) }

  /// The image plus noise of the call's deviation.
  package func noised(_ sample: Tensor, noise: Tensor, call: Int) -> Tensor {
    combine(1, sample, levels[call], noise)
  }

  /// The image as EDM's scalings have it.
  package func image(
    _ output: Tensor, sample: Tensor, call: Int, _ prediction: SchedulerConfiguration.Prediction
  ) -> Tensor {
    scaling.image(output, sample: sample, level: levels[call])
  }

  /// One Euler step; `noise` is never drawn.
  package mutating func step(_ index: Int, output: Tensor, sample: Tensor, noise: () -> Tensor) -> Tensor {
    let image = scaling.image(output, sample: sample, level: levels[index])
    let kept = levels[index + 1] / levels[index]
    return combine(kept, sample, 1 - kept, image)
  }
}
