import Synchronization

/// The leases that a session holds, and what it knows about their jobs. All connections of a session share them.
final class HeldLeases: Sendable {
  private let held = Mutex<[Lease: WorkerSession.Verdict]>([:])

  /// In order of their jobs.
  var all: [Lease] { held.withLock { $0.keys.sorted { $0.job < $1.job } } }

  func verdict(of lease: Lease) -> WorkerSession.Verdict { held.withLock { $0[lease] } ?? .init() }

  func add(_ lease: Lease) { held.withLock { $0[lease] = WorkerSession.Verdict() } }

  func remove(_ lease: Lease) { held.withLock { $0[lease] = nil } }

  /// Adds what was found out about a lease, if it is held. What was known before stays: under this lease a cancellation
  /// is not taken back, and what is lost stays lost.
  func learn(_ news: WorkerSession.Verdict, of lease: Lease) {
    held.withLock { held in
      guard var verdict = held[lease] else { return }
      verdict.cancelled = verdict.cancelled || news.cancelled
      verdict.lost = verdict.lost || news.lost
      held[lease] = verdict
    }
  }
}
