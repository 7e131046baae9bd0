import CKernels
import Synchronization

/// Counts the memory that meta tensors would take. A network is run once on meta tensors; the peak is what a real run
/// needs.
package final class MemoryMeter: Sendable {
  private struct State {
    var live = 0
    var peak = 0
    var largest = 0
  }

  private let state = Mutex(State())

  package init() {}

  /// The most bytes at one time.
  package var peak: Int { state.withLock { $0.peak } }

  /// Bytes of the largest block.
  package var largest: Int { state.withLock { $0.largest } }

  /// Bytes now.
  package var live: Int { state.withLock { $0.live } }

  /// Bytes that a block of this size takes, rounded up to whole pages.
  package static func blockSize(_ bytes: Int) -> Int {
    let granule = 1 << 12
    return bytes < Int(SEGMOE_LARGE_BLOCK) ? bytes : (bytes + granule - 1) / granule * granule
  }

  /// Counts a block that is freed at once.
  func touch(_ bytes: Int) {
    guard bytes > 0 else { return }
    take(bytes)
    give(bytes)
  }

  func take(_ bytes: Int) {
    state.withLock {
      $0.live += Self.blockSize(bytes)
      $0.peak = max($0.peak, $0.live)
      $0.largest = max($0.largest, bytes)
    }
  }

  func give(_ bytes: Int) { state.withLock { $0.live -= Self.blockSize(bytes) } }
}

/// The process's memory as the kernel counts it.
package enum ResidentMemory {
  /// The peak of resident memory in bytes; 0 if the kernel does not say.
  package static var peakBytes: Int64 { read("VmHWM") }

  /// Resident memory in bytes; 0 if the kernel does not say.
  package static var bytes: Int64 { read("VmRSS") }

  private static func read(_ field: String) -> Int64 {
    Int64(KernelFile.text("/proc/self/status").flatMap { KernelFile.bytes(field, in: $0) } ?? 0)
  }
}
