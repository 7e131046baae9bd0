import Foundation
import JobStore
import Logging

/// Writing how jobs ended.
extension Worker {
  /// Writes how a job ended.
  func end(_ ended: JobGroup.Ended, _ locator: ModelLocator, _ lacked: inout LackedModels) {
    let (lease, request) = (ended.claimed.lease, ended.claimed.request.render)
    var log = log
    for (key, value) in ended.claimed.fields { log[metadataKey: key] = value }
    switch ended.outcome {
    case .success(let outcome):
      writeOutcome(of: lease) {
        try session.finish(
          lease, images: outcome.images, statistics: outcome.statistics, modelDigest: outcome.modelDigest)
        metrics.attempt("done")
        log.info("job \(lease.job) done, \(outcome.images.count) image(s)")
      }
    case .failure(Interruption.stopping):
      giveBack(lease)
    case .failure(Interruption.cancelled):
      writeOutcome(of: lease) {
        try session.cancelled(lease)
        metrics.attempt("cancelled")
        log.info("job \(lease.job) cancelled")
      }
    case .failure(Interruption.lost):
      metrics.attempt("lost")
      log.warning("job \(lease.job) was taken over by another worker")
    case .failure(JobStoreError.leaseLost):
      log.warning("job \(lease.job) was taken over by another worker")
    case .failure(let error):
      log.error("job \(lease.job): \(error)")
      let kind = failureKind(of: error, request: request, locator: locator)
      guard kind != .model else {
        // What this worker cannot load is this worker's: another may have it.
        lacked.note(request.model, locator)
        writeOutcome(of: lease) { try session.lack(request.model, reason: "\(error)", lease) }
        break
      }
      writeOutcome(of: lease) {
        try session.fail(
          lease, message: "\(error)", kind: kind,
          backoff: Self.backoff)
        metrics.attempt("failed")
      }
    }
    session.drop(lease)
    heartbeat()
  }

  /// The first retries come soon, because most passing faults are a full disk or a file that is being replaced.
  private static var backoff: Backoff {
    var backoff = Backoff()
    backoff.first = 2_000
    return backoff
  }

  /// Writes how a job ended, and tries until it succeeds. It gives up if another worker has the job by now.
  private func writeOutcome(of lease: Lease, _ body: () throws -> Void) {
    let written = Result {
      try persistently {
        do {
          try body()
        } catch JobStoreError.leaseLost {
          log.warning("job \(lease.job) was taken over by another worker", metadata: lease.fields)
        } catch let error where !passesByItself(error) {
          // The row is damaged, and trying again would not help.
          log.error("job \(lease.job): its outcome cannot be written: \(error)", metadata: lease.fields)
          try session.refuse(lease, message: "its outcome cannot be written: \(error)")
        }
      }
    }
    if case .failure(let error) = written {
      // Its lease runs out, and the next claim looks at it.
      log.error("job \(lease.job) cannot be ended: \(error)", metadata: lease.fields)
    }
  }

  /// Puts a job back into the queue. The attempt does not count.
  func giveBack(_ lease: Lease) {
    do {
      try session.giveBack(lease)
      metrics.attempt("given_back")
      log.info("job \(lease.job) given back", metadata: lease.fields)
    } catch JobStoreError.leaseLost {
      // The worker itself, or another one, was faster.
    } catch {
      log.error("cannot give job \(lease.job) back: \(error)", metadata: lease.fields)
    }
  }
}
