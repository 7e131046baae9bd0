import Synchronization
import Tensors

/// The most memory that was resident while jobs were at work. The kernel counts it for the process, and that count is
/// left alone, for whoever watches the daemon from outside: of a job that did not raise it, the most that was seen
/// between its steps counts.
final class PeakWatch: Sendable {
  private struct State {
    /// The process's peak when the work began.
    var before: Int64 = 0
    var seen: Int64 = 0
  }

  private let state = Mutex(State())

  /// Work begins.
  func restart() {
    let now = State(before: ResidentMemory.peakBytes)
    state.withLock { $0 = now }
  }

  /// Has a look.
  func look() {
    let now = ResidentMemory.bytes
    state.withLock { $0.seen = max($0.seen, now) }
  }

  /// In bytes, since the work began.
  var bytes: Int64 {
    let peak = ResidentMemory.peakBytes
    return state.withLock { peak > $0.before ? peak : $0.seen }
  }
}
