import Foundation
import Logging
import ServiceLifecycle

/// The worker as a service: started and stopped by a service group, on a thread of its own.
package struct RenderService: Service {
  private let worker: Worker
  private let log: Logger
  /// Seconds that a step may take to end after a stop is asked for; then its job is given back
  /// from outside.
  private let grace: Double
  /// Requested once the worker has returned: then nothing is left to give back.
  private let ended = StopSignal()

  package init(worker: Worker, log: Logger, grace: Double = 3) {
    self.worker = worker
    self.log = log
    self.grace = grace
  }

  /// Runs until the queue is drained or a shutdown is asked for.
  /// - Throws: what the worker throws.
  package func run() async throws {
    try await withGracefulShutdownHandler {
      try await withCheckedThrowingContinuation { (continuation: CheckedContinuation<Void, any Error>) in
        let thread = Thread { [worker, ended] in
          let result = Result { try worker.run() }
          ended.request()
          continuation.resume(with: result)
        }
        thread.name = "segmoed-render"
        thread.stackSize = 8 << 20
        thread.start()
      }
    } onGracefulShutdown: { [worker, log, grace, ended] in
      worker.requestStop()
      // A long step is still running: its job must not wait for it, and neither must systemd.
      unless(ended, within: grace) {
        worker.abandon()
        log.notice("stopped in the middle of a step")
        // No handlers and destructors: other threads are still computing.
        _exit(0)
      }
      // Somebody holds the queue's lock, or the disk hangs: the job's lease will run out by itself.
      unless(ended, within: grace + 1.5) {
        log.error("stopped without having given its job back: the queue does not answer")
        _exit(0)
      }
    }
  }
}

/// Runs something on a thread of its own if, `seconds` from now, a signal has not come.
private func unless(
  _ signal: StopSignal, within seconds: Double, _ body: @escaping @Sendable () -> Void
) {
  let timer = Thread {
    if !signal.sleep(seconds: seconds) { body() }
  }
  timer.start()
}
