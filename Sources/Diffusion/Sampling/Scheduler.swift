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
  /// The clean image that the UNet's output at a call implies, to look at (diffusers' `pred_original_sample`). It is
  /// neither clipped nor thresholded.
  /// - Parameters:
  ///   - output: the UNet's prediction with guidance applied; same shape as `sample`.
  ///   - sample: the noisy sample that the call was made with.
  ///   - call: which call of the UNet, from 0.
  ///   - prediction: what the UNet predicts.
  func image(
    _ output: Tensor, sample: Tensor, call: Int, _ prediction: SchedulerConfiguration.Prediction
  ) -> Tensor
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

  /// The image, if the sample at a call is image and noise as `noised` mixes them.
  package func image(
    _ output: Tensor, sample: Tensor, call: Int, _ prediction: SchedulerConfiguration.Prediction
  ) -> Tensor {
    // The factors of both are what it makes of the numbers 1 and 0.
    let (one, zero) = (Tensor(shape: [1, 1, 1, 1], repeating: 1), Tensor(shape: [1, 1, 1, 1]))
    return prediction.image(
      output, sample: sample, alpha: noised(one, noise: zero, call: call).values[0],
      sigma: noised(zero, noise: one, call: call).values[0])
  }
}
