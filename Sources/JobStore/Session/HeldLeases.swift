import Synchronization

/// The leases that a session holds, and what it knows about their jobs. All connections of a session share them.
package final class HeldLeases: Sendable {
  private let held = Mutex<[Lease: WorkerSession.Verdict]>([:])

  /// None.
  package init() {}

  /// In order of their jobs.
  package var all: [Lease] { held.withLock { $0.keys.sorted { $0.job < $1.job } } }

  /// What is known of a lease's job.
  package func verdict(of lease: Lease) -> WorkerSession.Verdict { held.withLock { $0[lease] } ?? .init() }

  /// Holds a lease from now on.
  package func add(_ lease: Lease) { held.withLock { $0[lease] = WorkerSession.Verdict() } }

  /// Stops holding a lease.
  package func remove(_ lease: Lease) { held.withLock { $0[lease] = nil } }

  /// Adds what was found out about a lease, if it is held. What was known before stays: under this lease a cancellation
  /// is not taken back, and what is lost stays lost.
  package func learn(_ news: WorkerSession.Verdict, of lease: Lease) {
    held.withLock { held in
      guard var verdict = held[lease] else { return }
      verdict.cancelled = verdict.cancelled || news.cancelled
      verdict.lost = verdict.lost || news.lost
      held[lease] = verdict
    }
  }
}
