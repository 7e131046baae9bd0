import Synchronization

/// What the expert cache did for one job.
package struct ExpertCounts: Sendable, Equatable {
  /// Experts that were there when a layer asked.
  package var hits = 0
  /// Experts that had to be read.
  package var misses = 0
  /// Experts that had to leave for others.
  package var evictions = 0
  /// Bytes of packed experts that the misses brought in.
  package var bytesLoaded = 0

  package init() {}
}

/// Counts for one job; safe to write from several threads.
package final class ExpertLedger: Sendable {
  private let state = Mutex(ExpertCounts())

  package init() {}

  /// The counts so far.
  package var counts: ExpertCounts { state.withLock { $0 } }

  func hit() { state.withLock { $0.hits += 1 } }

  func miss(bytes: Int) {
    state.withLock {
      $0.misses += 1
      $0.bytesLoaded += bytes
    }
  }

  func eviction() { state.withLock { $0.evictions += 1 } }
}
