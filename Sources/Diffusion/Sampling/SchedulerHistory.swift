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
  /// The noise that the last step added, for methods that correct it later.
  package var noise: Tensor?
  /// UNet calls so far.
  package var calls: Int
  /// The order of the last step.
  package var order: Int

  /// A history; without arguments the empty one that every render starts with.
  package init(
    outputs: [Tensor] = [], sample: Tensor? = nil, sum: Tensor? = nil, noise: Tensor? = nil, calls: Int = 0,
    order: Int = 0
  ) {
    self.outputs = outputs
    self.sample = sample
    self.sum = sum
    self.noise = noise
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
  /// All tensors in one list, for a resume state: outputs, then sample, sum and noise if present.
  var tensors: [Tensor] { outputs + [sample, sum, noise].compactMap { $0 } }

  /// All integers in one list, for a resume state: the number of outputs; whether sample, sum and noise are present
  /// (0 or 1); `calls` and `order`.
  var counters: [Int] {
    [outputs.count] + [sample, sum, noise].map { $0 == nil ? 0 : 1 } + [calls, order]
  }

  /// The number of tensors in a history with these counters; nil for impossible counters.
  static func tensorCount(of counters: [Int]) -> Int? {
    guard counters.count == 6, counters[1...3].allSatisfy({ (0...1).contains($0) }),
      (0...1000).contains(counters[0])
    else { return nil }
    return counters[0...3].reduce(0, +)
  }

  /// Restores a history from both lists; nil if they do not fit together.
  init?(tensors: [Tensor], counters: [Int]) {
    guard let count = Self.tensorCount(of: counters), tensors.count == count else { return nil }
    var others = tensors.dropFirst(counters[0])
    let optional = counters[1...3].map { $0 == 1 ? others.popFirst() : nil }
    self.init(
      outputs: Array(tensors[..<counters[0]]), sample: optional[0], sum: optional[1], noise: optional[2],
      calls: counters[4], order: counters[5])
  }
}
