import Foundation
import JobStore

/// How long a waiting daemon sleeps from one look at the queue to the next.
package struct LookPace {
  /// Who tells of what is new.
  private enum Source {
    /// The kernel; nil if inotify is not available.
    case file(CommitWatch?)
    /// The server, unless a pooler is between.
    case server
  }

  /// Seconds between looks while there is activity, and always if there is no `CommitWatch`.
  private let usual: Double
  private let source: Source
  private var heard = -Double.infinity

  package init(usual: Double, commits: CommitWatch?) {
    self.usual = usual
    source = .file(commits)
  }

  /// How a daemon with these settings looks.
  package init(_ settings: DaemonSettings) {
    usual = settings.pollSeconds
    source =
      QueueDatabase.isServer(settings.database)
      ? .server : .file(CommitWatch(database: settings.database))
  }

  /// Whether a daemon must look when a time comes. On a server whichever worker looks makes jobs due, which the others see.
  var watchesTimes: Bool {
    if case .server = source { false } else { true }
  }

  /// Sleeps until the next look.
  /// - Parameters:
  ///   - stop: ends the sleep.
  ///   - due: when a job comes due without a commit.
  ///   - session: which may hear of something.
  /// - Returns: whether the daemon was asked to stop.
  mutating func sleep(_ stop: StopSignal, due: Milliseconds?, _ session: any JobWorker) -> Bool {
    let untilDue = due.map { max(0.001, (Double($0) - Double(Date().milliseconds)) / 1000) } ?? .infinity
    let seconds = min(pause(crowd: session.crowd), untilDue)
    switch source {
    case .file(let commits):
      if stop.sleep(seconds: seconds, orUntilReadable: commits?.descriptor ?? -1) { return true }
      if commits?.hears() == true { hear() }
      return false
    case .server:
      let news = session.newsDescriptor()
      if stop.sleep(seconds: seconds, orUntilReadable: news ?? -1) { return true }
      guard news != nil, session.hears() else { return false }
      // All hear of it at once, and one by one they ask.
      return stop.sleep(seconds: .random(in: 0...Self.turn(crowd: session.crowd)))
    }
  }

  /// Notes that another process is writing.
  package mutating func hear(now: Double = CheckpointPace.now) { heard = now }

  /// Seconds in which each of so many workers may ask a server once, so that it is asked 2,000 times a second at most.
  private static func turn(crowd: Int) -> Double { Double(crowd) / 2000 }

  /// Seconds to the next look, unless there is an event before.
  /// - Parameters:
  ///   - crowd: how many workers share the queue.
  ///   - now: the steady clock's seconds.
  package func pause(crowd: Int = 1, now: Double = CheckpointPace.now) -> Double {
    switch source {
    // Of all that an idle worker asks, five parts in eight are looks; a beat and a round of other questions are the rest.
    case .server: return max(usual, 1.6 * max(0.25, Self.turn(crowd: crowd)))
    case .file(nil): return usual
    case .file:
      switch now - heard {
      // The commit's pages are written, and it will be visible after a sync.
      case ..<0.05: return min(0.001, usual)
      // The disk is slow, or the commit is large.
      case ..<1: return usual
      default: return max(0.25, usual)
      }
    }
  }

  /// For how many seconds a daemon only looks before it sees to other things.
  /// - Parameter crowd: how many workers share the queue.
  package func span(crowd: Int) -> Double {
    if case .server = source { max(2, 2 * pause(crowd: crowd)) } else { 2 }
  }
}
