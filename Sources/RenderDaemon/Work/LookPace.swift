import Foundation
import JobStore

/// How long a waiting daemon sleeps from one look at the queue to the next.
package struct LookPace {
  /// Seconds between looks while there is activity, and always if there is no `CommitWatch`.
  private let usual: Double
  /// nil if inotify is not available.
  private let commits: CommitWatch?
  private var heard = -Double.infinity

  package init(usual: Double, commits: CommitWatch?) {
    self.usual = usual
    self.commits = commits
  }

  /// How a daemon with these settings looks. A server is asked four times a second at most.
  init(_ settings: DaemonSettings) {
    if QueueDatabase.isServer(settings.database) {
      self.init(usual: max(0.25, settings.pollSeconds), commits: nil)
    } else {
      self.init(usual: settings.pollSeconds, commits: CommitWatch(database: settings.database))
    }
  }

  /// Sleeps until the next look.
  /// - Parameters:
  ///   - stop: ends the sleep.
  ///   - due: when a job comes due without a commit.
  /// - Returns: whether the daemon was asked to stop.
  mutating func sleep(_ stop: StopSignal, due: Milliseconds?) -> Bool {
    let untilDue = due.map { max(0.001, (Double($0) - Double(Date().milliseconds)) / 1000) } ?? .infinity
    if stop.sleep(seconds: min(pause(), untilDue), orUntilReadable: commits?.descriptor ?? -1) { return true }
    if commits?.hears() == true { hear() }
    return false
  }

  /// Notes that another process is writing.
  package mutating func hear(now: Double = CheckpointPace.now) { heard = now }

  /// Seconds to the next look, unless there is an event before.
  package func pause(now: Double = CheckpointPace.now) -> Double {
    guard commits != nil else { return usual }
    switch now - heard {
    // The commit's pages are written, and it will be visible after a sync.
    case ..<0.05: return min(0.001, usual)
    // The disk is slow, or the commit is large.
    case ..<1: return usual
    default: return max(0.25, usual)
    }
  }
}
