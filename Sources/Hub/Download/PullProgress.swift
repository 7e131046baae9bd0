import Dispatch
import Synchronization

/// The progress of a pull.
package struct PullProgress: Sendable, Equatable {
  /// The source as it was written.
  package let source: String
  /// Bytes on this machine.
  package let done: Int
  /// Bytes in all.
  package let total: Int
  /// Bytes per second since the start; 0 before the first byte.
  package let rate: Int

  /// The seconds that are left at that rate; nil if there is no rate yet.
  package var secondsLeft: Int? { rate > 0 ? (total - done) / rate : nil }

  /// One line: `31%, 1.2 GB of 3.9 GB, 45.0 MB/s, 1 min`.
  package var text: String {
    var text = "\(total > 0 ? done * 100 / total : 0)%, \(HubError.size(done)) of \(HubError.size(total))"
    if rate > 0 { text += ", \(HubError.size(rate))/s" }
    if let left = secondsLeft, done < total {
      text += left < 90 ? ", \(left) s" : ", \((left + 30) / 60) min"
    }
    return text
  }
}

/// Adds up the bytes that the threads of a pull receive, and reports them a few times per second.
final class PullMeter: Sendable {
  private struct State {
    var done = 0
    var received = 0
    var told: UInt64 = 0
  }

  private let source: String
  private let total: Int
  private let start = DispatchTime.now().uptimeNanoseconds
  private let tell: @Sendable (PullProgress) -> Void
  private let state = Mutex(State())

  init(source: String, total: Int, tell: @escaping @Sendable (PullProgress) -> Void) {
    self.source = source
    self.total = total
    self.tell = tell
  }

  /// Adds bytes that are there already.
  func found(_ bytes: Int) { state.withLock { $0.done += bytes } }

  /// Adds received bytes. A negative number stands for discarded bytes.
  func add(_ bytes: Int) {
    let now = DispatchTime.now().uptimeNanoseconds
    let progress = state.withLock { state -> PullProgress? in
      state.done += bytes
      state.received += max(0, bytes)
      guard now &- state.told > 200_000_000 else { return nil }
      state.told = now
      return self.progress(state, now)
    }
    if let progress { tell(progress) }
  }

  /// The bytes received over the network.
  var received: Int { state.withLock(\.received) }

  private func progress(_ state: State, _ now: UInt64) -> PullProgress {
    let seconds = Double(now &- start) / 1e9
    let rate = seconds > 0.5 ? Int(Double(state.received) / seconds) : 0
    return PullProgress(source: source, done: max(0, min(state.done, total)), total: total, rate: rate)
  }
}
