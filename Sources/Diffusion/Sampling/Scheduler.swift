import Tensors

/// A sampling method at work: the timesteps of one render and what to do at each.
package protocol Scheduler: Sendable {
  /// What the UNet is told at each of its calls, noisiest first. Methods that call it more than once
  /// a step list every call, and `step` is told of every call.
  var timesteps: [Float] { get }
  /// The deviation of the noise that a render starts from.
  var initialSigma: Float { get }
  /// What the method remembers between steps; without memory, empty. Setting it goes on from there.
  var history: SchedulerHistory { get set }
  /// UNet calls that make up a step, but the last.
  var order: Int { get }
  /// A clean sample with as much noise as a call expects (the reference's `add_noise`).
  func noised(_ sample: Tensor, noise: Tensor, call: Int) -> Tensor
  /// What the UNet is shown of a sample at a step.
  func scaled(_ sample: Tensor, step: Int) -> Tensor
  /// The next, less noisy sample.
  /// - Parameters:
  ///   - index: which call of the UNet, from 0.
  ///   - output: the UNet's prediction, guidance applied; same shape as `sample`.
  ///   - sample: the noisy sample.
  ///   - noise: gives fresh noise of the sample's shape; called only by methods that add some, in
  ///     the reference's order.
  mutating func step(_ index: Int, output: Tensor, sample: Tensor, noise: () -> Tensor) -> Tensor
}

extension Scheduler {
  /// Nothing: most methods look at the present sample alone.
  package var history: SchedulerHistory {
    get { SchedulerHistory() }
    set {}
  }

  /// One: most methods.
  package var order: Int { 1 }

  /// Methods that keep the sample at unit variance show it as it is.
  package func scaled(_ sample: Tensor, step: Int) -> Tensor { sample }
}
