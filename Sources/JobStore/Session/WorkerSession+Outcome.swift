import Boundary
import GRDB

extension WorkerSession {
  /// Records that a job is done. Its images, which are on disk under their final names, its statistics and its state
  /// are written in one transaction. A cancellation that was requested meanwhile has no effect.
  /// - Throws: `JobStoreError.leaseLost` (then the images belong to nobody), `.wrongImages`
  package func finish(
    _ lease: Lease, images: [ImageRecord], statistics: RenderStatistics, modelDigest: String? = nil
  ) throws {
    try database.writeMending { db, now in
      _ = try standing(lease, db)
      let job = try db.job(lease.job)
      let expected = job.request.render.count
      guard images.map(\.index).sorted() == Array(0..<expected) else {
        throw JobStoreError.wrongImages(job: lease.job, expected: expected, found: images.count)
      }
      // Of a job that was done and that somebody queued anew by hand.
      try db.retireImages(.job(lease.job))
      for image in images { try db.insert(image, ofJob: lease.job) }
      try db.cachedStatement(
        sql: """
          UPDATE OR IGNORE progress SET phase = 'done', step = steps, expected_end = NULL, updated_at = ? WHERE job = ?
          """
      ).execute(arguments: [now, lease.job])
      try move(
        .finish, lease, db, at: now,
        [
          "digest": modelDigest, "hits": statistics.cacheHits, "misses": statistics.cacheMisses,
          "evictions": statistics.cacheEvictions, "bypasses": statistics.cacheBypasses,
          "bytes": statistics.bytesRead, "stall": statistics.stall, "peak": statistics.peakBytes,
        ], details: [.done: "images: \(images.count)"])
    }
    drop(lease)
  }

  /// Records that an attempt failed. Bad input ends the job. After other failures the job is queued again with a
  /// growing pause, if it has attempts left and was not cancelled.
  /// - Parameters:
  ///   - lease: of the job.
  ///   - kind: of the failure.
  ///   - message: names the thing and how to fix it. It is kept as one line of limited length.
  ///   - backoff: the pauses before retries.
  /// - Throws: `JobStoreError.leaseLost`
  @discardableResult
  package func fail(
    _ lease: Lease, message: String, kind: FailureKind, backoff: Backoff = Backoff()
  ) throws -> FailureOutcome {
    let message = PlainText.line(message)
    let outcome: FailureOutcome = try database.writeMending { db, now in
      let instruction = try standing(lease, db)
      let job = try db.job(lease.job)
      let failure: Values = ["error": message, "kind": kind.rawValue]
      try forgetProgress(lease.job, db)
      if instruction == .cancel {
        try move(.stop, lease, db, at: now, failure, details: [.cancelled: message])
        return .cancelled
      }
      guard kind != .badInput, job.attempts < job.request.maxAttempts else {
        try move(.fail, lease, db, at: now, failure, details: [.failed: message])
        return .failed
      }
      let after = now + backoff.pause(afterAttempts: job.attempts)
      try move(
        .retryLater, lease, db, at: now, failure.merging(["after": after]) { $1 },
        details: [.retrying: "in \((after - now) / 1000) s: \(message)"])
      return .retrying(after: after)
    }
    drop(lease)
    return outcome
  }

  /// Gives a job back because the daemon stops. It is queued again at once, and the attempt does not count. If its
  /// cancellation was requested, it is cancelled.
  /// - Throws: `JobStoreError.leaseLost`
  package func giveBack(_ lease: Lease) throws {
    try database.writeMending { db, now in try giveBack(lease, db, now) }
    drop(lease)
  }

  func giveBack(_ lease: Lease, _ db: Database, _ now: Milliseconds) throws {
    let name: Transition.Name = try standing(lease, db) == .cancel ? .stop : .giveBack
    try forgetProgress(lease.job, db)
    try move(name, lease, db, at: now)
  }

  /// Records that the worker stopped rendering a job because it was cancelled.
  /// - Throws: `JobStoreError.leaseLost`
  package func cancelled(_ lease: Lease) throws {
    try database.writeMending { db, now in
      try move(.stop, lease, db, at: now)
      try forgetProgress(lease.job, db)
    }
    drop(lease)
  }

  /// The job cannot end as it should, because its row is wrong: it fails, with the reason.
  package func refuse(_ lease: Lease, message: String) throws {
    try database.writeMending { db, now in
      _ = try standing(lease, db)
      try refuse(lease.job, message, db, now)
      try forgetProgress(lease.job, db)
    }
    drop(lease)
  }

  /// Named arguments of a move.
  typealias Values = [String: (any DatabaseValueConvertible)?]

  /// Moves the job of a lease.
  /// - Throws: `JobStoreError.leaseLost` if it cannot go this way under this lease.
  private func move(
    _ name: Transition.Name, _ lease: Lease, _ db: Database, at now: Milliseconds, _ values: Values = [:],
    details: [Event.Kind: String] = [:]
  ) throws {
    let held: Values = ["claim": lease.claim, "worker": lease.worker]
    guard
      try db.move(name, .job(lease.job), at: now, values.merging(held) { $1 }, details: details) > 0
    else { throw JobStoreError.leaseLost(job: lease.job, worker: lease.worker) }
  }

  /// Removes the progress of the attempt.
  private func forgetProgress(_ job: Int64, _ db: Database) throws {
    try db.cachedStatement(sql: "DELETE FROM progress WHERE job = ?").execute(arguments: [job])
  }
}
