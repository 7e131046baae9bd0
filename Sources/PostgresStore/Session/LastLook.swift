import JobStore
import Synchronization

/// What a session knows of its queue since it looked last.
final class LastLook: Sendable {
  private struct State {
    var at: ContinuousClock.Instant?
    var patience = WorkerSession.usualNumericsPatience
    var workers = 1
    var chores: Chores?
  }

  private let state = Mutex(State())

  /// Seconds that a job with a resume state waits for a worker of its class, as the worker said last.
  var patience: Double { state.withLock { $0.patience } }

  /// Workers that were alive.
  var workers: Int { state.withLock { $0.workers } }

  /// Notes that upkeep was looked after.
  func note() { state.withLock { $0.at = .now } }

  /// Notes how many workers are alive.
  func note(workers: Int) { state.withLock { $0.workers = max(1, workers) } }

  /// Notes what an answer says of other work than jobs.
  func note(_ chores: Chores) { state.withLock { $0.chores = chores } }

  /// Whether there may be such work. Before the first answer there may be any.
  func mayHave(_ chores: Chores) -> Bool {
    state.withLock { $0.chores.map { !$0.isDisjoint(with: chores) } ?? true }
  }

  /// Whether nobody has looked after upkeep yet with this patience, which counts from now on.
  func isFirst(patience: Double) -> Bool {
    state.withLock { state in
      defer { state.patience = patience }
      return state.at == nil || state.patience != patience
    }
  }

  /// Whether it is time to look after upkeep, which is done once a second.
  var isOver: Bool { state.withLock { $0.at.map { $0.duration(to: .now) >= .seconds(1) } ?? true } }
}
