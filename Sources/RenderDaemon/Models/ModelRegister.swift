import Boundary
import JobStore
import Logging
import Synchronization
import Tensors

/// Tells the queue which models are in the daemon's folders, from a thread of its own: at the start, and whenever they have
/// changed.
package final class ModelRegister: Sendable {
  private struct State {
    var census = ModelCensus()
    /// What the queue has been told; nil: nothing yet.
    var told: ModelCensus.Findings?
    /// The change mark before a look that found the queue to have that.
    var mark: Int64?
    /// The models of which it was logged that they cannot be used.
    var logged: [String] = []
    var isOver = false
  }

  private let session: any JobWorker
  private let log: Logger
  private let stop = StopSignal()
  private let quiet = QuietLog(pause: 600)
  /// Where to look. It is never locked for long, since the worker's own thread changes it.
  private let places: Mutex<(folders: [String], confinement: Confinement)>
  /// Locked during a look.
  private let state = Mutex(State())

  /// The least and the most seconds between two looks.
  private static let pauses = 10.0...300.0

  /// - Parameters:
  ///   - session: of the daemon.
  ///   - folders: where its models are; empty: anywhere.
  ///   - allowed: the folders that links may lead to.
  ///   - log: gets what is wrong.
  package init(session: any JobWorker, folders: [String], allowed: [String], log: Logger) {
    self.session = session
    self.log = log
    places = Mutex((folders, Confinement(folders: allowed)))
  }

  /// Starts the thread; it ends after `end`.
  /// - Throws: `ThreadError`
  package func start() throws {
    try WorkThread.start("segmoed-models") { [self] in
      var next = 0.0
      while !stop.sleep(seconds: next) {
        let began = CheckpointPace.now
        look()
        // A huge collection on a slow disk must not keep it busy.
        let longer = 20 * (CheckpointPace.now - began)
        next = min(max(longer, Self.pauses.lowerBound), Self.pauses.upperBound)
      }
    }
  }

  /// Looks in other folders from the next look on.
  package func use(folders: [String], allowed: [String]) {
    places.withLock { $0 = (folders, Confinement(folders: allowed)) }
  }

  /// Ends the thread. Then it does not touch the queue any more.
  /// - Parameter finishing: Whoever renders what is queued and ends has looked once all the same.
  package func end(finishing: Bool) {
    if !finishing { stop.request() }
    state.withLock { state in
      if finishing, state.told == nil { look(&state) }
      state.isOver = true
    }
    stop.request()
  }

  /// Looks through the folders, and tells the queue what has changed.
  package func look() { state.withLock { look(&$0) } }

  private func look(_ state: inout State) {
    guard !state.isOver else { return }
    let (folders, confinement) = places.withLock { $0 }
    let found = state.census.look(in: folders, within: confinement, until: { stop.isRequested })
    guard let found else { return }
    do {
      if found == state.told {
        // While nobody commits, the queue has what it had.
        let mark = try session.changeMark()
        if mark == state.mark { return }
        if try session.hasDeclared(found.models.count, areAll: found.areAll) {
          state.mark = mark
          return
        }
      }
      try session.declare(found.models, areAll: found.areAll)
      (state.told, state.mark) = (found, nil)
      say(found.models, &state)
    } catch {
      // The next look tells it.
      quiet.warning(log, "cannot tell the queue which models there are: \(error)", [:])
    }
  }

  private func say(_ found: [ModelRecord], _ state: inout State) {
    let wrong = found.filter { $0.fault != nil }.map(\.name).sorted()
    guard wrong != state.logged else { return }
    state.logged = wrong
    guard let first = wrong.first else { return }
    let names = PlainText.line(wrong.joined(separator: ", "), limit: 300)
    log.warning(
      wrong.count == 1
        ? "the model \(PlainText.line(first)) cannot be used: `segmoectl models` says why"
        : "\(wrong.count) models cannot be used: `segmoectl models` says why: \(names)")
  }
}
