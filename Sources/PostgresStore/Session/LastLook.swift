import JobStore
import Synchronization

/// What a session knows of its queue since it looked last.
final class LastLook: Sendable {
  private struct State {
    var at: ContinuousClock.Instant?
    var patience = WorkerSession.usualNumericsPatience
    var workers = 1
  }

  private let state = Mutex(State())

  /// Seconds that a job with a resume state waits for a worker of its class, as the worker said last.
  var patience: Double { state.withLock { $0.patience } }

  /// Workers that were alive.
  var workers: Int { state.withLock { $0.workers } }

  /// Notes that upkeep was looked after, and how many workers are alive if that was told.
  func note(workers: Int? = nil) {
    state.withLock { state in
      state.at = .now
      if let workers { state.workers = max(1, workers) }
    }
  }

  /// Whether it is time to look after upkeep, which is done once a second.
  /// - Parameter patience: what counts from now on.
  func isOver(patience: Double) -> Bool {
    state.withLock { state in
      defer { state.patience = patience }
      guard let at = state.at, state.patience == patience else { return true }
      return at.duration(to: .now) >= .seconds(1)
    }
  }
}
