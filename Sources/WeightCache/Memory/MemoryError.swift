import Tensors

/// Why there is no memory for a request. All numbers are bytes.
package enum MemoryError: SaysNothingOfContents, Equatable, CustomStringConvertible {
  /// The given budget is too small. `smallest` would be enough.
  case budget(bytes: Int, smallest: Int)
  /// No budget was given, and the machine has too little memory left.
  case machine(bytes: Int, smallest: Int)
  /// The system refused address space that the budget would allow.
  case refused(bytes: Int)

  /// A budget that is too small.
  /// - Parameters:
  ///   - budget: the budget that is too small.
  ///   - smallest: bytes that would be enough.
  init(_ budget: MemoryBudget, smallest: Int) {
    switch budget.source {
    case .given: self = .budget(bytes: budget.bytes, smallest: smallest)
    case .machine: self = .machine(bytes: budget.bytes, smallest: smallest)
    }
  }

  package var description: String {
    switch self {
    case .budget(let bytes, let smallest):
      "a memory budget of \(Self.mebibytes(bytes)) is too small for this request; the smallest that would do is \(Self.mebibytes(smallest))"
    case .machine(let bytes, let smallest):
      "this machine has \(Self.mebibytes(bytes)) of memory left, and this request takes at least \(Self.mebibytes(smallest)); end other programs, raise the control group's limit, make the picture smaller, or render it with a --memory-budget, under which large pictures are decoded in tiles"
    case .refused(let bytes):
      "the system refuses memory for this request, which takes \(Self.mebibytes(bytes)) more; raise the limits of this process (ulimit -v) or end other programs"
    }
  }

  /// Bytes in MiB, rounded up, so that the number in a message is enough.
  private static func mebibytes(_ bytes: Int) -> String { "\((bytes + (1 << 20) - 1) >> 20) MiB" }
}
