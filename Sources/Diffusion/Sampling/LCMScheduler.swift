import Tensors

/// Few-step sampling of latent consistency models: jump to the image, add noise, jump again (Luo et
/// al., 2023; diffusers' `LCMScheduler`).
package struct LCMScheduler: Scheduler {
  package let timesteps: [Float]
  package let initialSigma: Float = 1
  private let configuration: SchedulerConfiguration
  private let alphaProducts: [Float]

  /// - Throws: `DiffusionError` for settings and step counts that the method cannot take.
  package init(_ configuration: SchedulerConfiguration, steps: Int) throws {
    self.configuration = configuration
    alphaProducts = try configuration.alphaProducts(.consistency)
    // As in diffusers, `timestep_spacing` and `steps_offset` are ignored.
    let times = try configuration.distilledTimesteps(steps)
    try configuration.requireSignal(alphaProducts, at: times)
    timesteps = times.map { Float($0) }
  }

  /// Image and noise are weighted by ᾱ at the call's timestep.
  package func noised(_ sample: Tensor, noise: Tensor, call: Int) -> Tensor {
    let alpha = alphaProducts[Int(timesteps[call])]
    return combine(alpha.squareRoot(), sample, (1 - alpha).squareRoot(), noise)
  }

  /// One jump to the image. Except after the last, noise is added for the next.
  package mutating func step(_ index: Int, output: Tensor, sample: Tensor, noise: () -> Tensor) -> Tensor {
    let alpha = alphaProducts[Int(timesteps[index])]
    let predicted = configuration.denoised(output, sample: sample, alphaProduct: alpha).image
    let image = configuration.bounded(predicted, clip: false)
    // Boundary condition (Luo et al., 2023): at timestep 0 the sample itself is the image. The data's deviation is ½.
    let time = timesteps[index] * configuration.timestepScaling
    let variance = time * time + 0.25
    let denoised = combine(time / variance.squareRoot(), image, 0.25 / variance, sample)
    guard index + 1 < timesteps.count else { return denoised }
    let next = alphaProducts[Int(timesteps[index + 1])]
    return combine(next.squareRoot(), denoised, (1 - next).squareRoot(), noise())
  }
}
