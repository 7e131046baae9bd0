import Tensors

/// Deterministic implicit sampling (Song et al., 2021, η = 0; diffusers' `DDIMScheduler`).
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

  /// One deterministic step; `noise` is never drawn.
  package mutating func step(_ index: Int, output: Tensor, sample: Tensor, noise: () -> Tensor) -> Tensor {
    let timestep = Int(timesteps[index])
    let final = configuration.setAlphaToOne ?? true ? 1 : alphaProducts[0]
    let next = timestep >= stride ? alphaProducts[timestep - stride] : final
    var (image, direction) = configuration.denoised(
      output, sample: sample, alphaProduct: alphaProducts[timestep])
    image = configuration.bounded(image, clip: true)
    // Equation 12 with σ = 0.
    return combine(next.squareRoot(), image, (1 - next).squareRoot(), direction)
  }
}
