import Synchronization

/// How long this process could not have the write lock, over all of its connections to one queue.
///
/// A wait goes on from one refused attempt to the next. A report gives up after two seconds at most, any other attempt
/// after 30 (`QueueDatabase.busySeconds`), but somebody may hold the lock for an hour.
final class LockWaits: Sendable {
  private struct State {
    var longest = Duration.zero
    /// When the first of the attempts began that were refused since the last one that was not.
    var refusedSince: ContinuousClock.Instant?

    mutating func note(_ asked: ContinuousClock.Instant) {
      let since = min(refusedSince ?? asked, asked)
      longest = max(longest, ContinuousClock.now - since)
    }
  }

  private let state = Mutex(State())

  /// An attempt that began at this moment has the lock.
  func got(since asked: ContinuousClock.Instant) {
    state.withLock {
      $0.note(asked)
      $0.refusedSince = nil
    }
  }

  /// An attempt that began at this moment has given up.
  func refused(since asked: ContinuousClock.Instant) {
    state.withLock {
      $0.note(asked)
      $0.refusedSince = min($0.refusedSince ?? asked, asked)
    }
  }

  /// The longest wait since the last `forget`.
  var longest: Duration { state.withLock { $0.longest } }

  func forget() { state.withLock { $0.longest = .zero } }
}
