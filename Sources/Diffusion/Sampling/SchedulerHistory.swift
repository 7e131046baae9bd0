import Tensors

/// What a sampling method remembers from one step to the next.
///
/// It is a plain value, so that a render can be saved and resumed elsewhere. Besides it, only the latents, the noise
/// stream and the step's number are needed.
package struct SchedulerHistory: Sendable {
  /// Earlier outputs of the UNet, oldest first. Depending on the method they are predicted images, noise or
  /// derivatives.
  package var outputs: [Tensor]
  /// Within a step of several calls, the sample that it started from.
  package var sample: Tensor?
  /// Within a step of several calls, the weighted sum of outputs so far.
  package var sum: Tensor?
  /// UNet calls so far.
  package var calls: Int
  /// The order of the last step.
  package var order: Int

  /// A history; without arguments the empty one that every render starts with.
  package init(
    outputs: [Tensor] = [], sample: Tensor? = nil, sum: Tensor? = nil, calls: Int = 0, order: Int = 0
  ) {
    self.outputs = outputs
    self.sample = sample
    self.sum = sum
    self.calls = calls
    self.order = order
  }

  /// Adds an output and keeps only the last `limit`.
  mutating func remember(_ output: Tensor, limit: Int) {
    outputs.append(output)
    if outputs.count > limit { outputs.removeFirst(outputs.count - limit) }
  }

  /// The output of `age` calls ago: 0 is the newest.
  func output(_ age: Int) -> Tensor { outputs[outputs.count - 1 - age] }
}

extension SchedulerHistory {
  /// All tensors in one list, for a resume state: outputs, then sample and sum if present.
  var tensors: [Tensor] { outputs + [sample, sum].compactMap { $0 } }

  /// All integers in one list, for a resume state: the number of outputs, whether sample and sum are present (0 or
  /// 1), `calls` and `order`.
  var counters: [Int] { [outputs.count, sample == nil ? 0 : 1, sum == nil ? 0 : 1, calls, order] }

  /// The number of tensors in a history with these counters; nil for impossible counters.
  static func tensorCount(of counters: [Int]) -> Int? {
    guard counters.count == 5, (0...1).contains(counters[1]), (0...1).contains(counters[2]),
      (0...1000).contains(counters[0])
    else { return nil }
    return counters[0] + counters[1] + counters[2]
  }

  /// Restores a history from both lists; nil if they do not fit together.
  init?(tensors: [Tensor], counters: [Int]) {
    guard let count = Self.tensorCount(of: counters), tensors.count == count else { return nil }
    self.init(
      outputs: Array(tensors[..<counters[0]]),
      sample: counters[1] == 1 ? tensors[counters[0]] : nil,
      sum: counters[2] == 1 ? tensors.last : nil, calls: counters[3], order: counters[4])
  }
}
