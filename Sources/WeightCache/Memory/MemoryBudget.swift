import Tensors

/// How much memory the process may take in all: weights, tensors, scratch memory, and the program itself.
package struct MemoryBudget: Sendable, Equatable, CustomStringConvertible {
  /// Who chose it.
  package enum Source: Sendable, Equatable {
    /// A person: an option, the configuration, or a job.
    case given
    /// Nobody. It is what the machine and the process's control groups have left, less a reserve.
    case machine
  }

  /// Resident bytes, as the kernel counts them.
  package let bytes: Int
  package let source: Source

  /// - Parameters:
  ///   - bytes: resident bytes, as the kernel counts them.
  ///   - source: who chose it.
  package init(bytes: Int, source: Source = .given) {
    self.bytes = bytes
    self.source = source
  }

  /// What a person gave, or else what the machine has left for this process; nil if nobody gave any and the
  /// kernel says nothing.
  /// - Parameter given: bytes; nil if nobody gave any.
  package static func chosen(given: Int?) -> MemoryBudget? {
    if let given { return MemoryBudget(bytes: given) }
    return AvailableMemory.bytes.map { machine(available: $0, resident: Int(ResidentMemory.bytes)) }
  }

  /// What the machine has left for this process, in whole mebibytes.
  /// - Parameters:
  ///   - available: bytes that the process may take beyond what it has.
  ///   - resident: bytes that it has.
  package static func machine(available: Int, resident: Int) -> MemoryBudget {
    let all = available + resident
    let reserve = min(max(leastReserve, all / reservedShare), all / 2)
    return MemoryBudget(bytes: ((all - reserve) >> 20) << 20, source: .machine)
  }

  /// The share of the machine's memory that is left to others.
  private static let reservedShare = 16

  /// The least that is left to others, unless that were more than half.
  private static let leastReserve = 128 << 20

  /// As `--memory-budget` takes it, with where it comes from.
  package var description: String {
    switch source {
    case .given: text
    case .machine: "\(text), what this machine has left"
    }
  }

  /// As `--memory-budget` takes it: `4GiB`, `20370MiB`, or bytes.
  package var text: String {
    if bytes > 0, bytes % (1 << 30) == 0 { return "\(bytes >> 30)GiB" }
    if bytes > 0, bytes % (1 << 20) == 0 { return "\(bytes >> 20)MiB" }
    return "\(bytes)"
  }

  /// What comes and goes beside tensors during a render: stacks, buffers of OpenBLAS and of packing, small arrays,
  /// a picture being written.
  package static let margin = 112 << 20

  /// What is left of the margin when most of that has come.
  package static let leastMargin = 56 << 20

  /// What a process takes beside the cache differs by at most this from one start to the next.
  static let variation = 4 << 20

  /// What the process usually takes beside the cache. A decode in tiles shows in the picture, so this decides it and
  /// not what was measured: the same budget gives the same picture.
  static let usual = 256 << 20

  /// A decode that takes no more than this goes in one piece under any budget.
  package static let alwaysWhole = 128 << 20
}
