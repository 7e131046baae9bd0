import Tensors

/// What a sampling method remembers from one step to the next, as a plain value: with the latents,
/// the noise stream and the step's number it is all that a render needs to go on elsewhere.
package struct SchedulerHistory: Sendable {
  /// Earlier outputs of the UNet, oldest first, in whichever form the method keeps them (predicted
  /// images, noise, derivatives).
  package var outputs: [Tensor]
  /// The sample that a step of several calls started from.
  package var sample: Tensor?
  /// A weighted sum of outputs that is still being collected.
  package var sum: Tensor?
  /// UNet calls so far.
  package var calls: Int
  /// The order of the last step.
  package var order: Int

  /// An empty history is where every render starts.
  package init(
    outputs: [Tensor] = [], sample: Tensor? = nil, sum: Tensor? = nil, calls: Int = 0, order: Int = 0
  ) {
    self.outputs = outputs
    self.sample = sample
    self.sum = sum
    self.calls = calls
    self.order = order
  }

  /// Remembers an output, and the last `limit` only.
  mutating func remember(_ output: Tensor, limit: Int) {
    outputs.append(output)
    if outputs.count > limit { outputs.removeFirst(outputs.count - limit) }
  }

  /// The output of so many calls ago: 0 is the newest.
  func output(_ age: Int) -> Tensor { outputs[outputs.count - 1 - age] }
}
