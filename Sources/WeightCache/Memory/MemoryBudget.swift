import Requests
import Tensors

/// How much memory the process may take in all: weights, tensors, scratch memory, and the program itself.
package struct MemoryBudget: Sendable, Equatable, CustomStringConvertible {
  /// Where a budget comes from.
  package enum Source: Sendable, Equatable {
    /// A person: an option, the configuration, or a job.
    case given
    /// The machine: what it and the process's control groups have left, less a reserve.
    case machine
  }

  /// Resident bytes, as the kernel counts them.
  package let bytes: Int
  package let source: Source
  /// Bytes that decide how a picture is decoded: a given budget itself, or what the machine has, whatever is left of it.
  let basis: Int

  /// - Parameters:
  ///   - bytes: resident bytes, as the kernel counts them.
  ///   - source: where the budget comes from.
  package init(bytes: Int, source: Source = .given) { self.init(bytes: bytes, source: source, basis: bytes) }

  private init(bytes: Int, source: Source, basis: Int) {
    (self.bytes, self.source, self.basis) = (bytes, source, basis)
  }

  /// The given budget, or else what the machine has left for this process; nil if none is given and the kernel does not
  /// tell.
  /// - Parameter given: the given budget in bytes; nil if there is none.
  package static func chosen(given: Int?) -> MemoryBudget? {
    if let given { return MemoryBudget(bytes: given) }
    return AvailableMemory.bytes.map {
      machine(available: $0, resident: Int(ResidentMemory.bytes), total: AvailableMemory.total)
    }
  }

  /// What the machine has left for this process, in whole mebibytes.
  /// - Parameters:
  ///   - available: bytes that the process may take beyond what it has.
  ///   - resident: bytes that it has.
  ///   - total: bytes that it could have if nobody else took any; nil if the kernel does not tell. Then nothing is
  ///     decoded in tiles.
  package static func machine(available: Int, resident: Int, total: Int?) -> MemoryBudget {
    MemoryBudget(
      bytes: lessReserve(available + resident), source: .machine, basis: total.map(lessReserve) ?? .max)
  }

  private static func lessReserve(_ all: Int) -> Int {
    let reserve = min(max(leastReserve, all / reservedShare), all / 2)
    return ((all - reserve) >> 20) << 20
  }

  /// The share of the machine's memory that is left to others.
  private static let reservedShare = 16

  /// The least that is left to others, unless it would be more than half.
  private static let leastReserve = 128 << 20

  /// The budget as `--memory-budget` takes it, and where it comes from.
  package var description: String {
    switch source {
    case .given: text
    case .machine: "\(text), what this machine has left"
    }
  }

  /// The budget as `--memory-budget` takes it: `4GiB`, `20370MiB`, or bytes.
  package var text: String { ByteCount(bytes: bytes).size }

  /// Memory besides tensors that a render takes and frees: stacks, buffers of OpenBLAS and of packing, small arrays, a
  /// picture being written.
  package static let margin = 112 << 20

  /// The rest of the margin after most of that memory has been taken.
  package static let leastMargin = 56 << 20

  /// What a process takes besides the cache differs by at most this much from one start to the next.
  static let variation = 4 << 20

  /// What a process usually takes beside tensors and LoRAs: the program, scratch memory, margins, what stays of a model. It
  /// decides with the budget whether a picture is decoded in tiles, because tiles change the picture: with a measured number,
  /// the same budget could give different pictures.
  package static let usual = 352 << 20

  /// A decode that takes no more than this is done in one piece under any budget.
  package static let alwaysWhole = 128 << 20
}
