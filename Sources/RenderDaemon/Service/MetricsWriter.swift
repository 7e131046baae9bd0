import Foundation
import Images
import JobStore
import Logging
import Synchronization
import Tensors

/// Writes the daemon's metrics to a file every few seconds, from a thread of its own.
package final class MetricsWriter: Sendable {
  private let path: String
  private let queue: (any JobQueue)?
  private let metrics: DaemonMetrics
  private let pause: Double
  private let log: Logger
  private let stop = StopSignal()
  /// Limits the number of warnings, because a folder may be read-only for weeks.
  private let quiet = QuietLog(pause: 600)
  /// Locked while the file is written. True after the file has been written for the last time.
  private let isOver = Mutex(false)

  /// - Parameters:
  ///   - path: the path of the file to write.
  ///   - queue: the queue whose counts are written; nil: none are, since many daemons on many machines work on it.
  ///   - metrics: the numbers to write.
  ///   - pause: seconds between two writes.
  ///   - log: gets errors.
  package init(path: String, queue: (any JobQueue)?, metrics: DaemonMetrics, pause: Double = 5, log: Logger) {
    self.path = path
    self.queue = queue
    self.metrics = metrics
    self.pause = pause
    self.log = log
  }

  /// Starts the thread; it ends after `end`.
  /// - Throws: `ThreadError`
  package func start() throws {
    // A daemon that died may have left some. Each daemon has a file of its own.
    AtomicFile.removeTemporaries(of: path)
    try WorkThread.start("segmoed-metrics") { [self] in
      repeat { write() } while !stop.sleep(seconds: pause)
    }
  }

  /// Ends the thread, waits for it, and writes the file a last time. After that the queue may be closed, and the next
  /// daemon may write the file.
  package func end() {
    stop.request()
    write(isLast: true)
  }

  private func write(isLast: Bool = false) {
    isOver.withLock { isOver in
      guard !isOver else { return }
      isOver = isLast
      do {
        // The collector must never see half a file. So a temporary file is written and renamed.
        try AtomicFile.write(Array(metrics.text(queue: queue?.status().counts).utf8), to: path)
      } catch {
        quiet.warning(log, "cannot write the metrics: \(error)", [:])
      }
    }
  }
}
