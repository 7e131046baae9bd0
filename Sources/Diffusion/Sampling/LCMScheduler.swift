import Tensors

/// Few-step sampling of latent consistency models: jump to the image, add noise, jump again (Luo et
/// al., 2023; diffusers' `LCMScheduler`).
package struct LCMScheduler: Scheduler {
  package let initialSigma: Float = 1
  private let configuration: SchedulerConfiguration
  private let schedule: ConsistencySchedule

  /// - Throws: `DiffusionError` for settings and step counts that the method cannot take.
  package init(_ configuration: SchedulerConfiguration, steps: Int) throws {
    self.configuration = configuration
    schedule = try ConsistencySchedule(configuration, steps: steps)
  }

  package var timesteps: [Float] { schedule.timesteps }

  /// Image and noise are weighted by ᾱ at the call's timestep.
  package func noised(_ sample: Tensor, noise: Tensor, call: Int) -> Tensor {
    schedule.noised(sample, noise: noise, call: call)
  }

  /// One jump to the image. Except after the last, noise is added for the next.
  package mutating func step(_ index: Int, output: Tensor, sample: Tensor, noise: () -> Tensor) -> Tensor {
    let predicted = configuration.denoised(
      output, sample: sample, alphaProduct: schedule.alpha(at: timesteps[index])
    ).image
    let image = configuration.bounded(predicted, clip: false)
    // Boundary condition (Luo et al., 2023): at timestep 0 the sample itself is the image. The data's deviation is ½.
    let time = timesteps[index] * configuration.timestepScaling
    let variance = time * time + 0.25
    let denoised = combine(time / variance.squareRoot(), image, 0.25 / variance, sample)
    guard !schedule.isLast(index) else { return denoised }
    return schedule.noised(denoised, noise: noise(), call: index + 1)
  }
}
