import Tensors

/// Implicit sampling, deterministic unless eta is above 0 (Song et al., 2021; diffusers' `DDIMScheduler`).
package struct DDIMScheduler: Scheduler {
  package let timesteps: [Float]
  package let initialSigma: Float = 1
  private let configuration: SchedulerConfiguration
  private let alphaProducts: [Float]
  /// Training timesteps from one step to the next.
  private let stride: Int

  /// - Throws: `DiffusionError` for settings and step counts that the method cannot take.
  package init(_ configuration: SchedulerConfiguration, steps: Int) throws {
    self.configuration = configuration
    alphaProducts = try configuration.alphaProducts()
    let times = try configuration.timesteps(steps, configuration.spacing ?? .leading)
    try configuration.requireSignal(alphaProducts, at: times)
    timesteps = times.map { Float($0) }
    stride = configuration.trainingSteps / steps
  }

  /// Image and noise are weighted by ᾱ at the call's timestep.
  package func noised(_ sample: Tensor, noise: Tensor, call: Int) -> Tensor {
    let alpha = alphaProducts[Int(timesteps[call])]
    return combine(alpha.squareRoot(), sample, (1 - alpha).squareRoot(), noise)
  }

  /// One step. Noise is drawn if eta is above 0.
  package mutating func step(_ index: Int, output: Tensor, sample: Tensor, noise: () -> Tensor) -> Tensor {
    let timestep = Int(timesteps[index])
    let alpha = alphaProducts[timestep]
    let final = configuration.setAlphaToOne ?? true ? 1 : alphaProducts[0]
    let next = timestep >= stride ? alphaProducts[timestep - stride] : final
    var (image, direction) = configuration.denoised(output, sample: sample, alphaProduct: alpha)
    image = configuration.bounded(image, clip: true)
    // Equation 12. Its σ is eta times that of the process that was trained (equation 16).
    let variance = (1 - next) / (1 - alpha) * (1 - alpha / next)
    let deviation = Float(configuration.eta) * variance.squareRoot()
    let mean = combine(
      next.squareRoot(), image, max(0, 1 - next - deviation * deviation).squareRoot(), direction)
    return configuration.eta > 0 ? combine(1, mean, deviation, noise()) : mean
  }
}
