import Tensors

/// Few-step sampling of trajectory consistency models: jump to a level below the next one, then add noise up to it
/// (Zheng et al., 2024; diffusers' `TCDScheduler`).
package struct TCDScheduler: Scheduler {
  package let timesteps: [Float]
  package let initialSigma: Float = 1
  private let configuration: SchedulerConfiguration
  private let alphaProducts: [Float]

  /// - Throws: `DiffusionError` for settings and step counts that the method cannot take.
  package init(_ configuration: SchedulerConfiguration, steps: Int) throws {
    self.configuration = configuration
    alphaProducts = try configuration.alphaProducts(.consistency)
    // As in diffusers, `timestep_spacing`, `steps_offset`, `clip_sample` and `thresholding` are ignored.
    let times = try configuration.distilledTimesteps(steps)
    try configuration.requireSignal(alphaProducts, at: times)
    timesteps = times.map { Float($0) }
  }

  /// Image and noise are weighted by ᾱ at the call's timestep.
  package func noised(_ sample: Tensor, noise: Tensor, call: Int) -> Tensor {
    let alpha = alphaProducts[Int(timesteps[call])]
    return combine(alpha.squareRoot(), sample, (1 - alpha).squareRoot(), noise)
  }

  /// One jump. Noise is drawn if eta is above 0, except after the last.
  package mutating func step(_ index: Int, output: Tensor, sample: Tensor, noise: () -> Tensor) -> Tensor {
    let isLast = index + 1 == timesteps.count
    let next = isLast ? 0 : timesteps[index + 1]
    let eta = configuration.eta
    let below = Int(Float(1 - eta) * next)
    let prediction = configuration.denoised(
      output, sample: sample, alphaProduct: alphaProducts[Int(timesteps[index])])
    let alpha = alphaProducts[below]
    let jumped = combine(alpha.squareRoot(), prediction.image, (1 - alpha).squareRoot(), prediction.noise)
    guard eta > 0, !isLast else { return jumped }
    let kept = alphaProducts[Int(next)] / alpha
    return combine(kept.squareRoot(), jumped, (1 - kept).squareRoot(), noise())
  }
}
