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
      while !stop.sleep(seconds: min(session.leaseSeconds / 3, 20)) {
        isOver.withLock { isOver in
          guard !isOver else { return }
          if clock.jump() == .back { shortenLeases() }
          beat()
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

  private func beat() {
    do {
      try session.beat()
    } catch {
      // The leases still run for two thirds of their time: the next beat may do better.
      log.warning("cannot renew the leases: \(error)")
    }
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
