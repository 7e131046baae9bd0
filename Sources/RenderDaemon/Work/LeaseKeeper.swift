import Foundation
import JobStore
import Logging
import Synchronization
import Tensors

/// Renews a session's leases and heartbeat, on a thread of its own that rendering cannot starve.
package final class LeaseKeeper: Sendable {
  private let session: any JobWorker
  private let log: Logger
  private let stop = StopSignal()
  /// Locked during a beat; true when there must be no more beats.
  private let isOver = Mutex(false)

  package init(session: any JobWorker, log: Logger) {
    self.session = session
    self.log = log
  }

  /// Starts the thread; it ends after `end`.
  /// - Throws: `ThreadError`
  package func start() throws {
    try WorkThread.start("segmoed-lease") { [self] in
      // A worker counts as gone after a minute, so there is a beat at least every 20 seconds.
      var clock = ClockWatch()
      var pinned = PinnedLogWatch()
      let pause = min(session.leaseSeconds / 3, 20)
      var next = pause
      while !stop.sleep(seconds: next) {
        isOver.withLock { isOver in
          guard !isOver else { return }
          if clock.jump() == .back { shortenLeases() }
          // If the lock was not free, it tries again soon, before the lease runs out.
          next = beat() ? pause : min(1, pause)
          look(&pinned)
        }
      }
    }
  }

  /// Ends the thread, after waiting for a beat in progress. Then it does not touch the queue any more: a later beat
  /// would undo the sign-off, or find the queue closed.
  package func end() {
    stop.request()
    isOver.withLock { $0 = true }
  }

  /// - Returns: whether the leases were renewed.
  private func beat() -> Bool {
    do {
      try session.beat()
      return true
    } catch {
      // The leases are still valid for two thirds of their time, so the next beat may succeed.
      log.warning("cannot renew the leases: \(error)")
      return false
    }
  }

  /// Looks whether somebody keeps the queue's log from being used again.
  private func look(_ watch: inout PinnedLogWatch) {
    do {
      guard let size = try session.pinnedLog() else { return watch.isFree() }
      if let said = watch.report(size) { log.warning("\(said)") }
    } catch {
      // It is not known whether somebody reads. The next look may tell.
      log.debug("the queue's log cannot be looked at: \(error)")
    }
  }

  /// Shortens leases after the clock was set back. It includes those of other workers, because a dead one cannot do
  /// it.
  private func shortenLeases() {
    do {
      try session.shortenLeases()
      log.warning("the clock was set back: leases count from now")
    } catch {
      log.warning("the clock was set back, and leases cannot be shortened: \(error)")
    }
  }
}

extension Lease {
  /// Fields of log lines about this job.
  var fields: Logger.Metadata { ["job": "\(job)"] }
}
