import JobStore
import Synchronization

/// Which reports of progress are worth a way to the server: the more workers there are, the fewer of each. Steps of a few
/// milliseconds are not told one by one: nobody sees them, and telling them took small models a thirtieth of their time.
package final class ReportPace: Sendable {
  private struct Told {
    var phase: RenderPhase
    var at: ContinuousClock.Instant
  }

  /// Seconds: about as often as somebody who watches sees a change.
  private static let leastPause = 0.1

  /// By job and image. Those of jobs that are over are forgotten with the next.
  private let told = Mutex<[Int64: [Int: Told]]>([:])

  /// Nothing was told yet.
  package init() {}

  /// Whether to tell; then it counts as told.
  /// - Parameters:
  ///   - progress: of an image. A new phase is told always.
  ///   - job: whose image it is. Of one that is not at work the server says that the lease is lost.
  ///   - jobs: at work.
  ///   - crowd: how many workers share the queue. Up to a hundred of them tell every 0.1 s; ten thousand tell every 20 s.
  ///   - now: the time.
  package func isWorthTelling(
    _ progress: ImageProgress, of job: Int64, among jobs: Set<Int64>, crowd: Int,
    now: ContinuousClock.Instant = .now
  ) -> Bool {
    told.withLock { told in
      let pause = Duration.seconds(max(Self.leastPause, Double(crowd - 50) / 500))
      if jobs.contains(job), let last = told[job]?[progress.index], last.phase == progress.phase,
        now - last.at < pause
      {
        return false
      }
      told = told.filter { jobs.contains($0.key) }
      told[job, default: [:]][progress.index] = Told(phase: progress.phase, at: now)
      return true
    }
  }
}
