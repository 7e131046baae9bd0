import Synchronization
import Tensors
import WeightCache

/// What a process takes beside tensors: program, tokenizers, stacks, heaps.
///
/// The first measurement is made before anything is computed, and a margin is added for what comes with it: scratch
/// memory of threads, heaps, pages of the program. Later ones find that already there, and must not have the margin
/// added to it once more: else a budget that was enough for one picture would not be for the next.
package final class MemoryFootprint: Sendable {
  /// The least that was measured, in bytes.
  private let least = Mutex<Int?>(nil)

  package init() {}

  /// Bytes to reckon with beside the cache, the margin and small layers included.
  /// - Parameters:
  ///   - cache: what it holds is not counted.
  ///   - known: bytes of tensors that are there and are reckoned with elsewhere.
  func bytes(beside cache: PartCache, known: Int) -> Int {
    let tensors = TensorMemory.now
    let beside = max(0, tensors.live - cache.byteCount - known)
    return bytes(measured: max(0, Int(ResidentMemory.bytes) - tensors.spare - tensors.live)) + beside
  }

  /// With the margin, or what is left of it.
  func bytes(measured now: Int) -> Int {
    let least = least.withLock { least in
      let smaller = min(least ?? now, now)
      least = smaller
      return smaller
    }
    return max(least + MemoryBudget.margin, now + MemoryBudget.leastMargin)
  }
}
