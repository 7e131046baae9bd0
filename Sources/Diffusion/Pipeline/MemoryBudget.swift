import Tensors
import WeightCache

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

  /// What is left of it once most of that has come.
  static let leastMargin = 56 << 20

  /// What a process takes beside the cache differs by so much from one start to the next at most.
  static let variation = 4 << 20

  /// What the process takes beside the cache as a rule. Whether a decode goes in tiles, which shows in the
  /// picture, is decided with this and not with what was measured: the same budget gives the same picture.
  static let usual = 256 << 20

  /// A decode that takes no more than this goes in one piece under any budget.
  static let alwaysWhole = 128 << 20

  /// Bytes for tensors and weights, for deciding how to decode.
  /// - Parameter fixed: what the process takes beside the cache.
  func room(fixed: Int) -> Int { bytes - max(fixed, Self.usual) }

  /// Lets weights leave the cache until so many bytes are free for what are no tensors; with 0 until the budget is kept.
  /// - Throws: `DiffusionError.memoryBudget` if there are not as many.
  package func makeRoom(_ wanted: Int, beside cache: PartCache, _ footprint: MemoryFootprint) throws {
    let fixed = footprint.bytes(beside: cache, known: 0)
    guard wanted == 0 || wanted <= bytes - fixed else {
      throw DiffusionError.memoryBudget(bytes: bytes, smallest: wanted + fixed + Self.variation)
    }
    share(fixed: fixed, tensors: 0, others: wanted, cache, CacheLedger())
  }

  /// Gives a phase's tensors their room and the cache the rest.
  /// - Parameter fixed: what the process takes beside the cache and these tensors.
  func apply(_ phase: PhasePlan, fixed: Int, _ cache: PartCache, _ ledger: CacheLedger) {
    share(fixed: fixed, tensors: phase.tensorBytes, others: 0, cache, ledger)
  }

  /// Gives the cache what is left, and bounds what freed tensors keep.
  private func share(
    fixed: Int, tensors: Int, others: Int, _ cache: PartCache, _ ledger: CacheLedger
  ) {
    cache.setBudget(max(0, bytes - fixed - tensors - others), ledger: ledger)
    let besideTensors = fixed - (TensorMemory.now.live - cache.byteCount)
    TensorMemory.setLimit(bytes - max(Self.margin, besideTensors) - others)
  }
}
