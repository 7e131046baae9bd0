import Synchronization

/// What the cache did for one job.
package struct CacheCounts: Sendable, Equatable {
  /// Uses whose part was in the cache from an earlier use.
  package var hits = 0
  /// Uses whose part had to be read.
  package var misses = 0
  /// Parts that were evicted to make room for others.
  package var evictions = 0
  /// Parts that were read for one use and not kept, because everything kept is needed sooner.
  package var bypasses = 0
  /// Bytes of packed weights that the misses read.
  package var bytesLoaded = 0
  /// Time that computing waited for weights.
  package var stallSeconds = 0.0

  package init() {}
}

/// Counts for one job; safe to write from several threads.
package final class CacheLedger: Sendable {
  private let state = Mutex(CacheCounts())

  package init() {}

  /// The counts so far.
  package var counts: CacheCounts { state.withLock { $0 } }

  func hit() { state.withLock { $0.hits += 1 } }

  func miss(bytes: Int) {
    state.withLock {
      $0.misses += 1
      $0.bytesLoaded += bytes
    }
  }

  func left(wentBy: Bool) {
    state.withLock {
      if wentBy { $0.bypasses += 1 } else { $0.evictions += 1 }
    }
  }

  func stall(seconds: Double) { state.withLock { $0.stallSeconds += seconds } }
}
