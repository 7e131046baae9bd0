import Foundation
import JobStore
import Logging

/// Writing how jobs ended.
extension Worker {
  /// Hands over how a job ended, to be written. Its pictures are written before.
  func end(_ ended: JobGroup.Ended) {
    let (claimed, request) = (ended.claimed, ended.claimed.request.render)
    let (lease, locator) = (claimed.lease, shelf.locator)
    // What this worker cannot load is this worker's: another may have it.
    var missing: Missing?
    if case .failure(let error) = ended.outcome {
      missing = Missing(error, request: request, locator: locator)
      if let missing { lacked.withLock { $0.note(missing, locator) } }
    }
    reports.add(
      Reports.Task(bytes: 0) { [self, missing] in
        try write(ended, locator, missing)
        leave(lease)
      } giveUp: { [self] error in
        // Its lease runs out, and the next claim looks at it.
        log.error("job \(lease.job) cannot be ended: \(error)", metadata: claimed.fields)
        leave(lease)
      })
  }

  private func leave(_ lease: Lease) {
    session.drop(lease)
    reports.forget(job: lease.job)
    reports.heartbeat()
  }

  /// - Throws: what passes by itself.
  private func write(_ ended: JobGroup.Ended, _ locator: ModelLocator, _ missing: Missing?) throws {
    let (lease, request) = (ended.claimed.lease, ended.claimed.request.render)
    var log = log
    for (key, value) in ended.claimed.fields { log[metadataKey: key] = value }
    var outcome = ended.outcome
    if case .success = outcome, let trouble = ended.pictures?.trouble { outcome = .failure(trouble) }
    switch outcome {
    case .success(let outcome):
      let images = ended.pictures?.images ?? []
      try writeOutcome(of: lease) {
        try side.finish(
          lease, images: images, statistics: outcome.statistics, modelDigest: outcome.modelDigest)
        metrics.attempt("done")
        log.info("job \(lease.job) done, \(images.count) image(s)")
      }
    case .failure(Interruption.stopping):
      try giveBack(lease, side)
    case .failure(Interruption.cancelled):
      try writeOutcome(of: lease) {
        try side.cancelled(lease)
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
      try writeOutcome(of: lease) {
        if let missing {
          try side.lack(missing.name, reason: "\(error)", lease)
        } else {
          try side.fail(
            lease, message: "\(error)", kind: failureKind(of: error, request: request, locator: locator),
            backoff: Self.backoff)
          metrics.attempt("failed")
        }
      }
    }
  }

  /// The first retries come soon, because most passing faults are a full disk or a file that is being replaced.
  private static var backoff: Backoff {
    var backoff = Backoff()
    backoff.first = 2_000
    return backoff
  }

  /// Writes how a job ended. It gives up if another worker has the job by now.
  /// - Throws: what passes by itself.
  private func writeOutcome(of lease: Lease, _ body: () throws -> Void) throws {
    do {
      try body()
    } catch JobStoreError.leaseLost {
      log.warning("job \(lease.job) was taken over by another worker", metadata: lease.fields)
    } catch let error where !passesByItself(error) {
      // The row is damaged, and trying again would not help.
      log.error("job \(lease.job): its outcome cannot be written: \(error)", metadata: lease.fields)
      try side.refuse(lease, message: "its outcome cannot be written: \(error)")
    }
  }

  /// Puts a job back into the queue. The attempt does not count.
  /// - Parameters:
  ///   - lease: of the job.
  ///   - session: on the caller's connection.
  func giveBack(_ lease: Lease, _ session: any JobWorker) throws {
    do {
      try session.giveBack(lease)
      metrics.attempt("given_back")
      log.info("job \(lease.job) given back", metadata: lease.fields)
    } catch JobStoreError.leaseLost {
      // The worker itself, or another one, was faster.
    }
  }
}
