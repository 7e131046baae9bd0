import Foundation
import JobStore
import Logging
import Synchronization

/// Renews the lease of the running job and the worker's heartbeat, from a thread of its own that
/// rendering cannot starve.
package final class LeaseKeeper: Sendable {
  /// What the keeper keeps, and what it heard.
  private struct State {
    var lease: Lease?
    var workerState: WorkerState = .idle
    /// Somebody wants the job cancelled.
    var cancelRequested = false
    /// Another worker has the job now.
    var lost = false
  }

  private let store: JobStore
  private let worker: String
  private let leaseSeconds: Double
  private let log: Logger
  private let state = Mutex(State())
  private let stop = StopSignal()
  /// Held during a beat of the thread; true once there may be none any more.
  private let isOver = Mutex(false)

  package init(store: JobStore, worker: String, leaseSeconds: Double, log: Logger) {
    self.store = store
    self.worker = worker
    self.leaseSeconds = leaseSeconds
    self.log = log
  }

  /// Starts the thread; it ends after `end`.
  package func start() {
    let thread = Thread { [self] in
      // Never rarer than a third of the minute after which a worker counts as gone.
      while !stop.sleep(seconds: min(leaseSeconds / 3, 20)) {
        isOver.withLock { isOver in if !isOver { beat() } }
      }
    }
    thread.name = "segmoed-lease"
    thread.start()
  }

  /// Ends the thread and waits for a beat it is at. Afterwards it touches the queue no more: a beat that came
  /// later would take the sign-off back, or meet a queue that is closed.
  package func end() {
    stop.request()
    isOver.withLock { $0 = true }
  }

  /// Keeps a job from now on, or none.
  package func keep(_ lease: Lease?, state workerState: WorkerState) {
    state.withLock { $0 = State(lease: lease, workerState: workerState) }
    heartbeat()
  }

  /// The job that is kept now.
  package var lease: Lease? { state.withLock { $0.lease } }

  /// Whether the job must be dropped, and why.
  package var verdict: (cancelled: Bool, lost: Bool) {
    state.withLock { ($0.cancelRequested, $0.lost) }
  }

  private func beat() {
    if let lease = state.withLock({ $0.lost ? nil : $0.lease }) {
      do {
        if try store.renew(lease, for: leaseSeconds) == .cancel {
          state.withLock { if $0.lease == lease { $0.cancelRequested = true } }
        }
      } catch JobStoreError.leaseLost {
        state.withLock { if $0.lease == lease { $0.lost = true } }
      } catch {
        // The lease still runs for two thirds of its time: the next beat may do better.
        log.warning("cannot renew the lease of job \(lease.job): \(error)", metadata: lease.fields)
      }
    }
    heartbeat()
  }

  private func heartbeat() {
    let (workerState, job) = state.withLock { ($0.workerState, $0.lease?.job) }
    do {
      try store.heartbeat(worker: worker, state: workerState, job: job)
    } catch {
      log.warning("cannot write the heartbeat: \(error)")
    }
  }
}

extension Lease {
  /// What the log's lines about this job carry.
  var fields: Logger.Metadata { ["job": "\(job)"] }
}
