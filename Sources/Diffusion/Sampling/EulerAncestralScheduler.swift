import Tensors

/// Euler steps that remove more noise than needed, then add fresh noise (Katherine Crowson's k-diffusion,
/// `sample_euler_ancestral`; diffusers' `EulerAncestralDiscreteScheduler`).
package struct EulerAncestralScheduler: Scheduler {
  package let timesteps: [Float]
  package let initialSigma: Float
  private let configuration: SchedulerConfiguration
  private let sigmas: [Float]

  /// - Throws: `DiffusionError` for settings and step counts that the method cannot take.
  package init(_ configuration: SchedulerConfiguration, steps: Int) throws {
    guard configuration.prediction != .sample else {
      throw DiffusionError.unsupported(
        file: "scheduler", key: "prediction_type", value: "sample with euler_a")
    }
    // diffusers' class supports no other shapes, and always ends at 0.
    let schedule = try SigmaSchedule(
      continuous: configuration, steps: steps, trained: configuration.trainedSigmas(), shape: .trained)
    self.configuration = configuration
    timesteps = schedule.timesteps
    sigmas = schedule.sigmas
    initialSigma = schedule.initialSigma(configuration.spacing ?? .linspace)
  }

  /// The sample at unit variance, as the UNet was trained to see it.
  package func scaled(_ sample: Tensor, step: Int) -> Tensor {
    scaledInput(sample, sigma: sigmas[step])
  }

  /// The image plus noise of the call's deviation.
  package func noised(_ sample: Tensor, noise: Tensor, call: Int) -> Tensor {
    combine(1, sample, sigmas[call], noise)
  }

  /// One Euler step and fresh noise. Noise is drawn even in the last step, whose factor is 0.
  package mutating func step(_ index: Int, output: Tensor, sample: Tensor, noise: () -> Tensor) -> Tensor {
    let from = sigmas[index]
    let move = AncestralStep(from: from, to: sigmas[index + 1])
    let mean = configuration.moved(output, sample: sample, sigma: from, change: move.down - from)
    return combine(1, mean, move.up, noise())
  }
}
