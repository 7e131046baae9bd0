import Tensors

/// A sampling method during one render: its timesteps, and the update of the latents at each.
package protocol Scheduler: Sendable {
  /// The timestep of each UNet call, noisiest first. A method with several calls per step lists every call, and
  /// `step` is called after each.
  var timesteps: [Float] { get }
  /// Standard deviation of the noise that a render starts from.
  var initialSigma: Float { get }
  /// What the method remembers between steps; empty for methods that remember nothing. A resumed render sets it.
  var history: SchedulerHistory { get set }
  /// UNet calls per step. The last step may have fewer.
  var order: Int { get }
  /// Adds as much noise to a clean sample as a call expects (diffusers' `add_noise`).
  func noised(_ sample: Tensor, noise: Tensor, call: Int) -> Tensor
  /// The sample scaled as the UNet expects it (diffusers' `scale_model_input`).
  func scaled(_ sample: Tensor, step: Int) -> Tensor
  /// Computes the next, less noisy sample.
  /// - Parameters:
  ///   - index: which call of the UNet, from 0.
  ///   - output: the UNet's prediction with guidance applied; same shape as `sample`.
  ///   - sample: the noisy sample.
  ///   - noise: draws fresh noise of the sample's shape. Only methods that add noise call it, in the reference's
  ///     order.
  mutating func step(_ index: Int, output: Tensor, sample: Tensor, noise: () -> Tensor) -> Tensor
}

extension Scheduler {
  /// Empty: most methods use the current sample only.
  package var history: SchedulerHistory {
    get { SchedulerHistory() }
    set {}
  }

  /// 1, as for most methods.
  package var order: Int { 1 }

  /// The sample itself, for methods that keep it at unit variance.
  package func scaled(_ sample: Tensor, step: Int) -> Tensor { sample }
}
