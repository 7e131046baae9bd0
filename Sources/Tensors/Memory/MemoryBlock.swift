import CKernels

/// 64-byte aligned memory of tensors and packed weights, given back with its last owner.
///
/// Whom the system refuses memory gets a piece that others may have as well: computing goes on, safely, and
/// what it computes is worthless. Whoever computes asks at its end whether that was so (`MemoryRefusal.check`).
/// A render that would not fit is refused before, by its plan; this is for limits that change meanwhile.
final class MemoryBlock: @unchecked Sendable {
  // Unchecked: written only while one value has it.
  let base: UnsafeMutableRawPointer
  let byteCount: Int
  private let isReserve: Bool

  init(byteCount: Int) {
    self.byteCount = byteCount
    if let base = segmoe_memory_take(max(1, byteCount)) {
      self.base = base
      isReserve = false
    } else if let base = segmoe_memory_take_reserve(max(1, byteCount)) {
      self.base = base
      isReserve = true
    } else {
      preconditionFailure("no memory for \(byteCount) bytes, and no plan was made that reserves as much")
    }
  }

  deinit {
    if isReserve {
      segmoe_memory_give_reserve()
    } else {
      segmoe_memory_give(base, max(1, byteCount))
    }
  }
}

/// The system had no memory for what was computed or read: it is worthless.
package struct MemoryRefusal: Error, Equatable, CustomStringConvertible {
  package init() {}

  package var description: String {
    "the system refused memory while it was needed; give the process more, or try again with less at work"
  }

  /// Runs `body`.
  /// - Throws: `MemoryRefusal` if memory was refused meanwhile, to whomever, and what `body` throws.
  package static func check<Result>(_ body: () throws -> Result) throws -> Result {
    let before = segmoe_memory_refusals()
    let result = try body()
    guard segmoe_memory_refusals() == before else { throw MemoryRefusal() }
    return result
  }

  /// What a thread's scratch memory never takes more than.
  private static let mostScratch = 4 << 20

  /// Sees to it that a block of so many bytes, and scratch memory, can be refused without ending the process.
  /// - Returns: whether there is room for that.
  package static func prepare(forBlocksOf bytes: Int) -> Bool {
    segmoe_memory_reserve(max(mostScratch, bytes)) == 1
  }
}

/// What tensors and packed weights of this process take, in bytes.
package struct TensorMemory: Sendable, Equatable {
  /// Taken now.
  package let live: Int
  /// Freed, and kept for the next tensor of that size.
  package let spare: Int

  /// As it is now.
  package static var now: TensorMemory {
    let state = segmoe_memory_now()
    return TensorMemory(live: Int(state.live), spare: Int(state.spare))
  }

  /// Hands what was freed in small pieces back to the system.
  package static func trimHeap() { segmoe_memory_trim_heap() }

  /// Bounds what is kept for the next tensor: freed memory above a bound goes back to the system. Only the
  /// `MemoryGovernor` calls this.
  /// - Parameters:
  ///   - bytes: what is taken and what is kept, together; nil: there is no bound.
  ///   - spare: what is kept, alone; nil: there is no bound.
  package static func setLimit(_ bytes: Int?, spare: Int? = nil) {
    func bound(_ bytes: Int?) -> Int { bytes.map { max(0, $0) } ?? Int(bitPattern: UInt.max) }
    segmoe_memory_set_limit(bound(bytes), bound(spare))
  }

  /// Whether the system would give so much more memory now.
  package static func isAvailable(_ bytes: Int) -> Bool { segmoe_memory_available(max(0, bytes)) == 1 }
}
