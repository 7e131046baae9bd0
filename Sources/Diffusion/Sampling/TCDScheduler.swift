import Tensors

/// Few-step sampling of trajectory consistency models: jump to a level below the next one, then add noise up to it
/// (Zheng et al., 2024; diffusers' `TCDScheduler`, which ignores `clip_sample` and `thresholding`).
package struct TCDScheduler: Scheduler {
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

  /// One jump. Noise is drawn if eta is above 0, except after the last.
  package mutating func step(_ index: Int, output: Tensor, sample: Tensor, noise: () -> Tensor) -> Tensor {
    let isLast = schedule.isLast(index)
    let next = isLast ? 0 : timesteps[index + 1]
    let eta = configuration.eta
    let prediction = configuration.denoised(
      output, sample: sample, alphaProduct: schedule.alpha(at: timesteps[index]))
    let below = schedule.alpha(at: Float(1 - eta) * next)
    let jumped = combine(below.squareRoot(), prediction.image, (1 - below).squareRoot(), prediction.noise)
    guard eta > 0, !isLast else { return jumped }
    let kept = schedule.alpha(at: next) / below
    return combine(kept.squareRoot(), jumped, (1 - kept).squareRoot(), noise())
  }
}
