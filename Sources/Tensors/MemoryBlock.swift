import CKernels

/// 64-byte aligned memory of tensors and packed weights, given back with its last owner.
///
/// A process that gets no memory for a block ends: by then the kernel would have ended it anyway. A render
/// that would not fit is refused before, by its plan.
final class MemoryBlock: @unchecked Sendable {
  // Unchecked: written only while one value has it.
  let base: UnsafeMutableRawPointer
  let byteCount: Int

  init(byteCount: Int) {
    guard let base = segmoe_memory_take(max(1, byteCount)) else {
      preconditionFailure("no memory for \(byteCount) bytes")
    }
    self.base = base
    self.byteCount = byteCount
  }

  deinit { segmoe_memory_give(base, max(1, byteCount)) }
}

/// What tensors and packed weights of this process take, in bytes.
package struct TensorMemory: Sendable, Equatable {
  /// Taken now.
  package let live: Int
  /// The most that was taken since `restartPeak`.
  package let peak: Int
  /// Freed, and kept for the next tensor of that size.
  package let spare: Int

  /// As it is now.
  package static var now: TensorMemory {
    let state = segmoe_memory_now()
    return TensorMemory(live: Int(state.live), peak: Int(state.peak), spare: Int(state.spare))
  }

  /// The peak is what is taken now.
  package static func restartPeak() { segmoe_memory_restart_peak() }

  /// Bounds what is taken and what is kept for the next tensor together: freed memory above it goes back to
  /// the system. Without a bound all is kept.
  package static func setLimit(_ bytes: Int?) { segmoe_memory_set_limit(bytes.map { max(0, $0) } ?? Int.max) }

  /// Whether the system would give so much more memory now.
  package static func isAvailable(_ bytes: Int) -> Bool { segmoe_memory_available(max(0, bytes)) == 1 }
}
