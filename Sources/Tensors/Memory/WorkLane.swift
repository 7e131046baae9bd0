import Synchronization

/// One of several works that a process does side by side, such as one of a daemon's jobs. What a work's threads do is
/// told apart by it: its tensors are counted, and the cache of weights has a forecast of each work.
///
/// A process that does one work at a time has none.
package final class WorkLane: Sendable {
  /// The lane of the work that the current thread does; nil: it does none, or the process does one at a time.
  @TaskLocal package static var current: WorkLane?

  private let bytes = Atomic<Int>(0)

  package init() {}

  /// Bytes of the tensors that were made in it and are still there.
  package var liveBytes: Int { bytes.load(ordering: .relaxed) }

  func take(_ count: Int) { bytes.add(MemoryMeter.blockSize(count), ordering: .relaxed) }

  func give(_ count: Int) { bytes.subtract(MemoryMeter.blockSize(count), ordering: .relaxed) }
}
