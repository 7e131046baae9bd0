import Tensors

/// Ancestral sampling of the diffusion process that was trained (Ho et al., 2020; diffusers' `DDPMScheduler`).
package struct DDPMScheduler: Scheduler {
  package let timesteps: [Float]
  package let initialSigma: Float = 1
  private let configuration: SchedulerConfiguration
  private let alphaProducts: [Float]

  /// - Throws: `DiffusionError` for settings and step counts that the method cannot take.
  package init(_ configuration: SchedulerConfiguration, steps: Int) throws {
    self.configuration = configuration
    alphaProducts = try configuration.alphaProducts()
    let times = try configuration.timesteps(steps, configuration.spacing ?? .leading)
    try configuration.requireSignal(alphaProducts, at: times)
    timesteps = times.map { Float($0) }
  }

  /// Image and noise are weighted by ᾱ at the call's timestep.
  package func noised(_ sample: Tensor, noise: Tensor, call: Int) -> Tensor {
    let alpha = alphaProducts[Int(timesteps[call])]
    return combine(alpha.squareRoot(), sample, (1 - alpha).squareRoot(), noise)
  }

  /// One step of the posterior. Noise is drawn at every timestep above 0.
  package mutating func step(_ index: Int, output: Tensor, sample: Tensor, noise: () -> Tensor) -> Tensor {
    let alpha = alphaProducts[Int(timesteps[index])]
    let next = index + 1 < timesteps.count ? alphaProducts[Int(timesteps[index + 1])] : 1
    let currentAlpha = alpha / next
    var (image, _) = configuration.denoised(output, sample: sample, alphaProduct: alpha)
    image = configuration.bounded(image, clip: true)
    // Equation 7: the mean of the posterior.
    let mean = combine(
      next.squareRoot() * (1 - currentAlpha) / (1 - alpha), image,
      currentAlpha.squareRoot() * (1 - next) / (1 - alpha), sample)
    guard timesteps[index] > 0 else { return mean }
    let small = max(1e-20, (1 - next) / (1 - alpha) * (1 - currentAlpha))
    switch configuration.variance {
    // diffusers takes the logarithm of `smallLog` and exponentiates it again, so both are the square root.
    case .small, .smallLog: return combine(1, mean, small.squareRoot(), noise())
    case .large: return combine(1, mean, (1 - currentAlpha).squareRoot(), noise())
    }
  }
}
