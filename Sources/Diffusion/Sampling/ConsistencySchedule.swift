import Tensors

/// The timesteps of a distilled model and ᾱ of the training schedule, which LCM and TCD jump between (diffusers'
/// `LCMScheduler` and `TCDScheduler`; both ignore `timestep_spacing` and `steps_offset`).
struct ConsistencySchedule {
  let timesteps: [Float]
  private let alphaProducts: [Float]

  /// - Throws: `DiffusionError` for settings and step counts that the methods cannot take.
  init(_ configuration: SchedulerConfiguration, steps: Int) throws {
    alphaProducts = try configuration.alphaProducts(.consistency)
    let times = try configuration.distilledTimesteps(steps)
    try configuration.requireSignal(alphaProducts, at: times)
    timesteps = times.map { Float($0) }
  }

  /// ᾱ at a timestep, which may lie between two calls.
  func alpha(at timestep: Float) -> Float { alphaProducts[Int(timestep)] }

  /// Whether a call is the last.
  func isLast(_ call: Int) -> Bool { call + 1 == timesteps.count }

  /// Image and noise, weighted by ᾱ at the call's timestep.
  func noised(_ sample: Tensor, noise: Tensor, call: Int) -> Tensor {
    let alpha = alpha(at: timesteps[call])
    return combine(alpha.squareRoot(), sample, (1 - alpha).squareRoot(), noise)
  }
}
