import Foundation
import Images
import JobStore
import Logging

/// Writes the daemon's numbers to a file every few seconds, from a thread of its own.
struct MetricsWriter: Sendable {
  let path: String
  let store: JobStore
  let metrics: DaemonMetrics
  let log: Logger
  private let stop = StopSignal()

  init(path: String, store: JobStore, metrics: DaemonMetrics, log: Logger) {
    self.path = path
    self.store = store
    self.metrics = metrics
    self.log = log
  }

  /// Starts the thread; it ends after `end`.
  func start() {
    // Of a daemon that died here; each writes a file of its own.
    AtomicFile.removeTemporaries(of: path)
    let thread = Thread { [self] in
      repeat { write() } while !stop.sleep(seconds: 5)
    }
    thread.name = "segmoed-metrics"
    thread.start()
  }

  /// Ends the thread and writes a last time.
  func end() {
    stop.request()
    write()
  }

  private func write() {
    do {
      // The collector must never see half a file: temporary file and rename.
      try AtomicFile.write(Array(metrics.text(queue: store.status().counts).utf8), to: path)
    } catch {
      log.warning("cannot write the metrics: \(error)")
    }
  }
}
