import Logging
import Synchronization

/// Logs at most one warning in a while. A fault at every step would fill the log, and so a disk that may be full
/// already.
package final class QuietLog: Sendable {
  /// Seconds between two warnings.
  private let pause: Double
  private let last = Mutex(-Double.infinity)

  package init(pause: Double = 30) { self.pause = pause }

  /// Logs a warning, unless one was logged within the pause.
  package func warning(_ log: Logger, _ message: @autoclosure () -> String, _ fields: Logger.Metadata) {
    let now = CheckpointPace.now
    let isDue = last.withLock { last in
      guard now - last >= pause else { return false }
      last = now
      return true
    }
    if isDue { log.warning("\(message())", metadata: fields) }
  }
}
