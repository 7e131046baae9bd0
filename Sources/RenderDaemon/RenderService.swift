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
        let thread = Thread { [worker] in
          continuation.resume(with: Result { try worker.run() })
        }
        thread.name = "segmoed-render"
        thread.stackSize = 8 << 20
        thread.start()
      }
    } onGracefulShutdown: { [worker, log, grace] in
      worker.requestStop()
      let timer = Thread {
        Thread.sleep(forTimeInterval: grace)
        // A long step is still running: its job must not wait for it, and neither must systemd.
        worker.abandon()
        log.notice("stopped in the middle of a step")
        exit(0)
      }
      timer.start()
    }
  }
}
