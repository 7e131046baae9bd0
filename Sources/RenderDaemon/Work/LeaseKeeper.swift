import Foundation
import JobStore
import Logging
import Synchronization
import Tensors

/// Renews the leases of a session and its heartbeat, from a thread of its own that rendering cannot starve.
package final class LeaseKeeper: Sendable {
  private let session: WorkerSession
  private let log: Logger
  private let stop = StopSignal()
  /// Held during a beat of the thread; true once there may be none any more.
  private let isOver = Mutex(false)

  package init(session: WorkerSession, log: Logger) {
    self.session = session
    self.log = log
  }

  /// Starts the thread; it ends after `end`.
  /// - Throws: `ThreadError`
  package func start() throws {
    try WorkThread.start("segmoed-lease") { [self] in
      // Never rarer than a third of the minute after which a worker counts as gone.
      var clock = ClockWatch()
      var pinned = PinnedLogWatch()
      let pause = min(session.leaseSeconds / 3, 20)
      var next = pause
      while !stop.sleep(seconds: next) {
        isOver.withLock { isOver in
          guard !isOver else { return }
          if clock.jump() == .back { shortenLeases() }
          // Who could not get the lock tries again soon: the lease must not run out in between.
          next = beat() ? pause : min(1, pause)
          look(&pinned)
        }
      }
    }
  }

  /// Ends the thread and waits for a beat it is at. Afterwards it touches the queue no more: a beat that came
  /// later would take the sign-off back, or meet a queue that is closed.
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
      // The leases still run for two thirds of their time: the next beat may do better.
      log.warning("cannot renew the leases: \(error)")
      return false
    }
  }

  /// Looks whether somebody keeps the queue's log from being used again.
  private func look(_ watch: inout PinnedLogWatch) {
    guard let size = try? session.pinnedLog(), let said = watch.report(size) else {
      watch.isFree()
      return
    }
    log.warning("\(said)")
  }

  /// Those of other workers, too: of one that is dead nobody else would.
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
  /// What the log's lines about this job carry.
  var fields: Logger.Metadata { ["job": "\(job)"] }
}
