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

extension SchedulerHistory {
  /// All tensors in one row, for a resume state: outputs, then the sample and the sum if there are any.
  var tensors: [Tensor] { outputs + [sample, sum].compactMap { $0 } }

  /// All whole numbers in one row, for a resume state; the first says how many tensors are outputs, the
  /// next two whether the sample and the sum follow.
  var counters: [Int] { [outputs.count, sample == nil ? 0 : 1, sum == nil ? 0 : 1, calls, order] }

  /// How many tensors a history of these counters has; nil for counters that no history has.
  static func tensorCount(of counters: [Int]) -> Int? {
    guard counters.count == 5, (0...1).contains(counters[1]), (0...1).contains(counters[2]),
      (0...1000).contains(counters[0])
    else { return nil }
    return counters[0] + counters[1] + counters[2]
  }

  /// The history that these rows came from; nil if they fit none.
  init?(tensors: [Tensor], counters: [Int]) {
    guard let count = Self.tensorCount(of: counters), tensors.count == count else { return nil }
    self.init(
      outputs: Array(tensors[..<counters[0]]),
      sample: counters[1] == 1 ? tensors[counters[0]] : nil,
      sum: counters[2] == 1 ? tensors.last : nil, calls: counters[3], order: counters[4])
  }
}
