import Tensors

/// Euler steps that go further down than needed and add fresh noise back (Katherine Crowson's
/// k-diffusion, `sample_euler_ancestral`; diffusers' `EulerAncestralDiscreteScheduler`).
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
    // The class knows no other shapes and ends at 0.
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

  /// The noise with the call's deviation, the image as it is.
  package func noised(_ sample: Tensor, noise: Tensor, call: Int) -> Tensor {
    combine(1, sample, sigmas[call], noise)
  }

  /// One Euler step, and fresh noise; drawn even in the last, where it counts for nothing.
  package mutating func step(_ index: Int, output: Tensor, sample: Tensor, noise: () -> Tensor) -> Tensor {
    let (from, to) = (sigmas[index], sigmas[index + 1])
    let up = (to * to * (from * from - to * to) / (from * from)).squareRoot()
    // Held at 0: where `from` is far larger the difference may round below it.
    let down = max(0, to * to - up * up).squareRoot()
    let mean = configuration.moved(output, sample: sample, sigma: from, change: down - from)
    return combine(1, mean, up, noise())
  }
}
