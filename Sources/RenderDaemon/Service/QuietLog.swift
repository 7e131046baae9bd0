import Logging
import Synchronization

/// Passes on at most one warning in a while: what goes wrong at every step would fill a log, and with it a disk
/// that is full as it is.
final class QuietLog: Sendable {
  /// Seconds between two warnings.
  private let pause: Double
  private let last = Mutex(-Double.infinity)

  init(pause: Double = 30) { self.pause = pause }

  /// Logs it unless something was logged a moment ago.
  func warning(_ log: Logger, _ message: @autoclosure () -> String, _ fields: Logger.Metadata) {
    let now = CheckpointPace.now
    let isDue = last.withLock { last in
      guard now - last >= pause else { return false }
      last = now
      return true
    }
    if isDue { log.warning("\(message())", metadata: fields) }
  }
}
