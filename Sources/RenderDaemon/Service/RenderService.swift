import Foundation
import Logging
import ServiceLifecycle

/// The worker as a service, which a service group starts and stops. It runs on a thread of its own.
package struct RenderService: Service {
  private let worker: Worker
  private let log: Logger
  /// Seconds that a step may go on after a stop is asked for. Then its job is given back by another thread.
  private let grace: Double
  /// Requested when the worker has returned. Then there is no job to give back.
  private let ended = StopSignal()

  package init(worker: Worker, log: Logger, grace: Double = 3) {
    self.worker = worker
    self.log = log
    self.grace = grace
  }

  /// Runs until a shutdown is asked for or, with `drain`, the queue is empty.
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
      // A long step is still running. Neither its job nor systemd should wait for it.
      unless(ended, within: grace) {
        worker.abandon()
        log.notice("stopped in the middle of a step")
        // Without exit handlers and destructors, because other threads are still computing.
        _exit(0)
      }
      // Another process holds the queue's lock, or the disk hangs. The job's lease will expire by itself.
      unless(ended, within: grace + 1.5) {
        log.error("stopped without having given its job back: the queue does not answer")
        _exit(0)
      }
    }
  }
}

/// Runs `body` on a thread of its own, unless the signal comes within `seconds`.
private func unless(
  _ signal: StopSignal, within seconds: Double, _ body: @escaping @Sendable () -> Void
) {
  let timer = Thread {
    if !signal.sleep(seconds: seconds) { body() }
  }
  timer.start()
}
