import Synchronization
import Tensors

/// Peak memory while jobs are at work. The kernel's count is for the whole process and is never reset, because people
/// watch it from outside. If a job did not raise it, the most that was seen between its steps counts.
final class PeakWatch: Sendable {
  private struct State {
    /// The process's peak when the work began.
    var before: Int64 = 0
    var seen: Int64 = 0
  }

  private let state = Mutex(State())

  /// Called when work begins.
  func restart() {
    let now = State(before: ResidentMemory.peakBytes)
    state.withLock { $0 = now }
  }

  /// Measures the memory now.
  func look() {
    let now = ResidentMemory.bytes
    state.withLock { $0.seen = max($0.seen, now) }
  }

  /// Peak in bytes since the work began.
  var bytes: Int64 {
    let peak = ResidentMemory.peakBytes
    return state.withLock { peak > $0.before ? peak : $0.seen }
  }
}
