import Foundation
import JobStore
import Logging
import Synchronization
import Tensors

/// Renews the leases of the running jobs and the worker's heartbeat, from a thread of its own that
/// rendering cannot starve.
package final class LeaseKeeper: Sendable {
  /// What was heard of a job that is kept.
  struct Verdict: Equatable {
    /// Somebody wants the job cancelled.
    var cancelled = false
    /// Another worker has the job now.
    var lost = false
  }

  private let store: JobStore
  private let worker: WorkerRecord
  private let leaseSeconds: Double
  private let log: Logger
  private let state = Mutex<[Lease: Verdict]>([:])
  private let stop = StopSignal()
  /// Held during a beat of the thread; true once there may be none any more.
  private let isOver = Mutex(false)

  package init(store: JobStore, worker: WorkerRecord, leaseSeconds: Double, log: Logger) {
    self.store = store
    self.worker = worker
    self.leaseSeconds = leaseSeconds
    self.log = log
  }

  /// Starts the thread; it ends after `end`.
  /// - Throws: `ThreadError`
  package func start() throws {
    try WorkThread.start("segmoed-lease") { [self] in
      // Never rarer than a third of the minute after which a worker counts as gone.
      var clock = ClockWatch()
      while !stop.sleep(seconds: min(leaseSeconds / 3, 20)) {
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

  /// Keeps a job's lease from now on.
  package func keep(_ lease: Lease) {
    state.withLock { $0[lease] = Verdict() }
    heartbeat()
  }

  /// Keeps it no more.
  package func drop(_ lease: Lease) {
    state.withLock { $0[lease] = nil }
    heartbeat()
  }

  /// The jobs that are kept now.
  package var leases: [Lease] { state.withLock { $0.keys.sorted { $0.job < $1.job } } }

  /// Whether a job must be dropped, and why.
  func verdict(of lease: Lease) -> Verdict { state.withLock { $0[lease] } ?? Verdict() }

  private func beat() {
    for (lease, verdict) in state.withLock({ $0 }) where !verdict.lost {
      do {
        if try store.renew(lease, for: leaseSeconds) == .cancel {
          state.withLock { $0[lease]?.cancelled = true }
        }
      } catch JobStoreError.leaseLost {
        state.withLock { $0[lease]?.lost = true }
      } catch {
        // The lease still runs for two thirds of its time: the next beat may do better.
        log.warning("cannot renew the lease of job \(lease.job): \(error)", metadata: lease.fields)
      }
    }
    heartbeat()
  }

  /// Those of other workers, too: of one that is dead nobody else would.
  private func shortenLeases() {
    do {
      try store.shortenLeases(to: leaseSeconds)
      log.warning("the clock was set back: leases count from now")
    } catch {
      log.warning("the clock was set back, and leases cannot be shortened: \(error)")
    }
  }

  /// The worker's row names the first of its jobs.
  private func heartbeat() {
    let job = leases.first?.job
    do {
      try store.heartbeat(
        worker: worker.name, since: worker.startedAt, state: job == nil ? .idle : .rendering, job: job)
    } catch {
      log.warning("cannot write the heartbeat: \(error)")
    }
  }
}

extension Lease {
  /// What the log's lines about this job carry.
  var fields: Logger.Metadata { ["job": "\(job)"] }
}
