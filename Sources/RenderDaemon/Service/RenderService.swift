import Foundation
import Logging
import ServiceLifecycle
import Tensors

/// The worker as a service, which a service group starts and stops. It runs on a thread of its own.
package struct RenderService: Service {
  private let worker: Worker
  private let log: Logger
  /// Seconds that a step may go on after a stop is asked for. Then its job is given back by another thread.
  private let grace: Double
  /// Requested when the worker has returned. Then there is no job to give back.
  private let ended = StopSignal()
  /// Requested when a shutdown is asked for.
  private let asked = StopSignal()

  package init(worker: Worker, log: Logger, grace: Double = 3) {
    self.worker = worker
    self.log = log
    self.grace = grace
  }

  /// Runs until a shutdown is asked for or, with `drain`, the queue is empty.
  /// - Throws: what the worker throws, and `ThreadError`.
  package func run() async throws {
    // These threads start now, because at a stop the system may refuse new ones.
    // A long step may still be running. Neither its job nor systemd should wait for it.
    try endStop("segmoed-stop", after: grace) { [worker, log] in
      worker.abandon()
      log.notice("stopped in the middle of a step")
    }
    // Another process holds the queue's lock, or the disk hangs. The job's lease will expire by itself.
    // Each of several jobs gets its time, as far as the manager waits (`TimeoutStopSec` of the unit).
    try endStop("segmoed-stop-2", after: grace + min(15, 1.5 * Double(worker.settings.jobs))) { [log] in
      log.error("stopped without having given its job back: the queue does not answer")
    }
    try await withGracefulShutdownHandler {
      try await withCheckedThrowingContinuation { (continuation: CheckedContinuation<Void, any Error>) in
        do {
          try WorkThread.start("segmoed-render", stackBytes: 8 << 20) { [worker, asked, ended] in
            let result = Result { try worker.run() }
            ended.request()
            asked.request()
            continuation.resume(with: result)
          }
        } catch {
          continuation.resume(throwing: error)
        }
      }
    } onGracefulShutdown: { [worker, asked] in
      worker.requestStop()
      asked.request()
    }
  }

  /// Ends the process if the worker has not returned some seconds after a stop was asked for.
  private func endStop(
    _ thread: String, after seconds: Double, _ last: @escaping @Sendable () -> Void
  ) throws(ThreadError) {
    try WorkThread.start(thread) { [asked, ended] in
      while !asked.sleep(seconds: 3600) {}
      guard !ended.sleep(seconds: seconds) else { return }
      last()
      // Without exit handlers and destructors, because other threads are still computing.
      _exit(0)
    }
  }
}
