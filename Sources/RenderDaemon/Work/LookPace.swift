import Foundation
import JobStore

/// How long a waiting daemon sleeps between two looks at the queue.
package struct LookPace {
  /// Seconds between looks while something goes on, and always where nothing can be heard.
  private let usual: Double
  /// nil: nothing can be heard.
  private let commits: CommitWatch?
  private var heard = -Double.infinity

  package init(usual: Double, commits: CommitWatch?) {
    self.usual = usual
    self.commits = commits
  }

  /// Sleeps until the next look.
  /// - Parameter due: when something is to be seen without a commit.
  /// - Returns: whether the daemon was asked to stop.
  mutating func sleep(_ stop: StopSignal, due: Milliseconds?) -> Bool {
    let untilDue = due.map { max(0.001, (Double($0) - Double(Date().milliseconds)) / 1000) } ?? .infinity
    if stop.sleep(seconds: min(pause(), untilDue), orUntilReadable: commits?.descriptor ?? -1) { return true }
    if commits?.hears() == true { hear() }
    return false
  }

  /// Somebody is writing.
  package mutating func hear(now: Double = CheckpointPace.now) { heard = now }

  /// Seconds to the next look, unless something is heard before.
  package func pause(now: Double = CheckpointPace.now) -> Double {
    guard commits != nil else { return usual }
    switch now - heard {
    // Its pages are written; a sync later the commit is there.
    case ..<0.05: return min(0.001, usual)
    // A slow disk, or a large commit.
    case ..<1: return usual
    default: return max(0.25, usual)
    }
  }
}
