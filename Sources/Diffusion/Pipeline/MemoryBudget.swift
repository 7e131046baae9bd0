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

  /// What the process takes now beside the cache: program, tokenizers, small layers, what other threads do.
  static func fixedBytes(_ cache: ExpertCache) -> Int {
    let memory = TensorMemory.now
    return max(0, Int(ResidentMemory.bytes) - memory.spare - cache.byteCount) + margin
  }

  /// Bytes for tensors and weights of a render that is about to begin.
  func room(_ cache: ExpertCache) -> Int { bytes - Self.fixedBytes(cache) }

  /// Gives a phase's tensors their room and the cache the rest.
  func apply(_ phase: PhasePlan, fixed: Int, _ cache: ExpertCache, _ ledger: ExpertLedger) {
    cache.setBudget(max(0, bytes - fixed - phase.tensorBytes), ledger: ledger)
    let beside = fixed - Self.margin - (TensorMemory.now.live - cache.byteCount)
    TensorMemory.setLimit(bytes - max(0, beside) - Self.margin)
  }
}
