import Boundary
import CKernels

/// 64-byte aligned memory of tensors and packed weights, freed with its last owner.
///
/// If the system refuses memory, callers share a reserve block. Its contents are garbage, so computing goes on safely
/// but its results are worthless. `MemoryRefusal.check` reports that at the end.
///
/// This is for limits that change during a render. A render that would not fit is refused beforehand, by its plan.
final class MemoryBlock: @unchecked Sendable {
  // Unchecked: it is written only while a single value owns it.
  let base: UnsafeMutableRawPointer
  let byteCount: Int
  private let isReserve: Bool
  /// Where it is counted; nil: it is no tensor of a lane's.
  private let lane: WorkLane?

  init(byteCount: Int) {
    self.byteCount = byteCount
    lane = WorkLane.current
    if let base = segmoe_memory_take(max(1, byteCount)) {
      self.base = base
      isReserve = false
    } else if let base = segmoe_memory_take_reserve(max(1, byteCount)) {
      self.base = base
      isReserve = true
    } else {
      preconditionFailure("no memory for \(byteCount) bytes, and no plan was made that reserves as much")
    }
    lane?.take(byteCount)
  }

  deinit {
    lane?.give(byteCount)
    if isReserve {
      segmoe_memory_give_reserve()
    } else {
      segmoe_memory_give(base, max(1, byteCount))
    }
  }
}

/// The memory of a packed weight; nil if only sizes are known.
extension Optional where Wrapped == MemoryBlock {
  /// Shows `body` the bytes.
  func withBytes(_ body: (UnsafeRawBufferPointer) -> Void) {
    guard let block = self else { preconditionFailure("a meta weight has no elements") }
    defer { withExtendedLifetime(block) {} }
    body(UnsafeRawBufferPointer(start: block.base, count: block.byteCount))
  }
}

/// The system refused memory during a computation or a read, so the result is worthless.
package struct MemoryRefusal: Error, Equatable, CustomStringConvertible {
  package init() {}

  package var description: String {
    "the system refused memory while it was needed; give the process more, or try again with less at work"
  }

  /// Runs `body`.
  /// - Throws: `MemoryRefusal` if the system refused memory to any thread of the process meanwhile, else what `body`
  ///   throws. What it throws after a refusal may be about garbage: a file that seems damaged, numbers that are none. Only
  ///   what says nothing of contents is thrown all the same (`SaysNothingOfContents`).
  package static func check<Result>(_ body: () throws -> Result) throws -> Result {
    let before = segmoe_memory_refusals()
    do {
      let result = try body()
      guard segmoe_memory_refusals() == before else { throw MemoryRefusal() }
      return result
    } catch let error as any SaysNothingOfContents {
      throw error
    } catch {
      throw segmoe_memory_refusals() == before ? error : MemoryRefusal()
    }
  }

  /// The most that a thread's scratch memory takes, in bytes.
  private static let mostScratch = 4 << 20

  /// Sets aside the reserve, so that the system can refuse a block of up to `bytes`, or scratch memory, without
  /// ending the process.
  /// - Returns: whether there was memory for the reserve.
  package static func prepare(forBlocksOf bytes: Int) -> Bool {
    segmoe_memory_reserve(max(mostScratch, bytes)) == 1
  }
}

/// An error that garbage in memory cannot have caused: somebody's wish that work ends, or a reckoning of memory.
package protocol SaysNothingOfContents: Error {}

/// There may be memory later.
extension MemoryRefusal: ExitCoded {
  package var exit: ProgramExit { .unavailable }
}

/// Bytes that tensors and packed weights of this process take.
package struct TensorMemory: Sendable, Equatable {
  /// In use now.
  package let live: Int
  /// Freed, and kept for the next tensor of the same size.
  package let spare: Int

  /// The current numbers.
  package static var now: TensorMemory {
    let state = segmoe_memory_now()
    return TensorMemory(live: Int(state.live), spare: Int(state.spare))
  }

  /// Gives freed heap memory, which is in small blocks, back to the system.
  package static func trimHeap() { segmoe_memory_trim_heap() }

  /// Bounds what is kept for the next tensor: freed memory above a bound goes back to the system. Only the
  /// `MemoryGovernor` calls this.
  /// - Parameters:
  ///   - bytes: the bound for memory in use and kept memory together; nil: there is no bound.
  ///   - spare: the bound for kept memory alone; nil: there is no bound.
  package static func setLimit(_ bytes: Int?, spare: Int? = nil) {
    func bound(_ bytes: Int?) -> Int { bytes.map { max(0, $0) } ?? Int(bitPattern: UInt.max) }
    segmoe_memory_set_limit(bound(bytes), bound(spare))
  }

  /// Whether the system would give so much more memory now.
  package static func isAvailable(_ bytes: Int) -> Bool { segmoe_memory_available(max(0, bytes)) == 1 }
}
