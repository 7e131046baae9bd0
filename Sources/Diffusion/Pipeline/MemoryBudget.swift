import Experts
import Tensors

/// How much memory the process may take, all told: weights, activations, scratch, and what it is itself.
///
/// Kept by construction: a phase's tensors are known before it begins, what the process takes beside tensors
/// is measured, and the rest is the cache's.
package struct MemoryBudget: Sendable, Equatable {
  /// Resident bytes as the kernel counts them.
  package let bytes: Int

  package init(bytes: Int) { self.bytes = bytes }

  /// What comes and goes beside tensors while a render runs: stacks, buffers of OpenBLAS and of packing,
  /// small arrays, a picture being written.
  static let margin = 112 << 20

  /// What a process takes beside the cache differs by so much from one start to the next at most.
  static let variation = 4 << 20

  /// What the process takes now beside the cache: program, tokenizers, small layers, what other threads do.
  static func fixedBytes(_ cache: ExpertCache) -> Int {
    let memory = TensorMemory.now
    return max(0, Int(ResidentMemory.bytes) - memory.spare - cache.byteCount) + margin
  }

  /// What the process takes beside the cache as a rule. Whether a decode goes in tiles, which shows in the
  /// picture, is decided with this and not with what was measured: the same budget gives the same picture.
  static let usual = 256 << 20

  /// A decode that takes no more than this goes in one piece under any budget.
  static let alwaysWhole = 128 << 20

  /// Bytes for tensors and weights, for deciding how to decode.
  /// - Parameter fixed: what the process takes beside the cache.
  func room(fixed: Int) -> Int { bytes - max(fixed, Self.usual) }

  /// Gives a phase's tensors their room and the cache the rest.
  func apply(_ phase: PhasePlan, fixed: Int, _ cache: ExpertCache, _ ledger: ExpertLedger) {
    cache.setBudget(max(0, bytes - fixed - phase.tensorBytes), ledger: ledger)
    let beside = fixed - Self.margin - (TensorMemory.now.live - cache.byteCount)
    TensorMemory.setLimit(bytes - max(0, beside) - Self.margin)
  }
}
