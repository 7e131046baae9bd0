import Boundary
import GRDB

/// Why an attempt failed.
struct Failure {
  var message: String
  var kind: FailureKind
}

extension JobStore {
  /// The job is done: its images (already on disk under their final names), its numbers and its state, in
  /// one transaction. A cancellation requested meanwhile comes too late.
  /// - Throws: `JobStoreError.leaseLost` (then the images belong to nobody), `.wrongImages`
  package func finish(
    _ lease: Lease, images: [ImageRecord], statistics: RenderStatistics, modelDigest: String? = nil
  ) throws {
    try write { db, now in
      _ = try standing(lease, db)
      let job = try job(lease.job, db)
      let expected = job.request.render.count
      guard images.map(\.index).sorted() == Array(0..<expected) else {
        throw JobStoreError.wrongImages(job: lease.job, expected: expected, found: images.count)
      }
      for image in images { try insert(image, lease.job, db) }
      try db.cachedStatement(
        sql: """
          UPDATE progress SET phase = 'done', step = steps, expected_end = NULL, updated_at = ? WHERE job = ?
          """
      ).execute(arguments: [now, lease.job])
      try db.cachedStatement(
        sql: """
          UPDATE jobs SET state = 'done', lease_owner = NULL, lease_expires = NULL, finished_at = ?,
            error = NULL, error_kind = NULL, model_digest = ?, cache_hits = ?, cache_misses = ?,
            cache_evictions = ?, cache_bypasses = ?, bytes_read = ?, stall_ms = ?, peak_bytes = ?
          WHERE id = ?
          """
      ).execute(arguments: [
        now, modelDigest, statistics.cacheHits, statistics.cacheMisses, statistics.cacheEvictions,
        statistics.cacheBypasses, statistics.bytesRead, statistics.stall, statistics.peakBytes, lease.job,
      ])
      try db.record(
        Event(
          .done, at: now, batch: job.batch, job: lease.job, worker: lease.worker,
          detail: "images: \(images.count)"))
    }
  }

  /// The attempt failed. Bad input ends the job; anything else queues it again with a growing pause, as long
  /// as it has attempts left and nobody asked to cancel it.
  /// - Parameter message: For a person: the thing, and the mend. It is kept as one line of bounded length.
  /// - Throws: `JobStoreError.leaseLost`
  @discardableResult
  package func fail(
    _ lease: Lease, message: String, kind: FailureKind, backoff: Backoff = Backoff()
  ) throws -> FailureOutcome {
    try write { db, now in
      let instruction = try standing(lease, db)
      let job = try job(lease.job, db)
      let failure = Failure(message: PlainText.line(message), kind: kind)
      if instruction == .cancel {
        try end(lease, batch: job.batch, .cancelled, failure, db, now)
        return .cancelled
      }
      if kind == .model { try countLoadFailure(of: job.request.render.model, failure.message, db, now) }
      guard kind != .badInput, job.attempts < job.request.maxAttempts else {
        try end(lease, batch: job.batch, .failed, failure, db, now)
        return .failed
      }
      let after = now + backoff.pause(afterAttempts: job.attempts)
      try db.cachedStatement(
        sql: """
          UPDATE jobs SET state = 'queued', lease_owner = NULL, lease_expires = NULL, run_after = ?,
            error = ?, error_kind = ?
          WHERE id = ?
          """
      ).execute(arguments: [after, failure.message, kind.rawValue, lease.job])
      try forgetProgress(lease.job, db)
      try db.record(
        Event(
          .retrying, at: now, batch: job.batch, job: lease.job, worker: lease.worker,
          detail: "in \((after - now) / 1000) s: \(message)"))
      return .retrying(after: after)
    }
  }

  /// A stopping daemon hands the job back: queued again at once, and the attempt doesn't count.
  /// - Throws: `JobStoreError.leaseLost`
  package func giveBack(_ lease: Lease) throws {
    try write { db, now in
      let instruction = try standing(lease, db)
      let batch = try job(lease.job, db).batch
      if instruction == .cancel {
        return try end(lease, batch: batch, .cancelled, nil, db, now)
      }
      try db.cachedStatement(
        sql: """
          UPDATE jobs SET state = 'queued', lease_owner = NULL, lease_expires = NULL,
            attempts = max(attempts - 1, 0), started_at = NULL
          WHERE id = ?
          """
      ).execute(arguments: [lease.job])
      try forgetProgress(lease.job, db)
      try db.record(Event(.givenBack, at: now, batch: batch, job: lease.job, worker: lease.worker))
    }
  }

  /// The worker has stopped rendering because it was told to.
  /// - Throws: `JobStoreError.leaseLost`
  package func cancelled(_ lease: Lease) throws {
    try write { db, now in
      _ = try standing(lease, db)
      try end(lease, batch: job(lease.job, db).batch, .cancelled, nil, db, now)
    }
  }

  /// Ends a running job as failed or cancelled.
  func end(
    _ lease: Lease, batch: Int64, _ state: JobState, _ failure: Failure?, _ db: Database, _ now: Milliseconds
  ) throws {
    try db.cachedStatement(
      sql: """
        UPDATE jobs SET state = ?, lease_owner = NULL, lease_expires = NULL, finished_at = ?,
          error = ?, error_kind = ?
        WHERE id = ?
        """
    ).execute(arguments: [state.rawValue, now, failure?.message, failure?.kind.rawValue, lease.job])
    try forgetProgress(lease.job, db)
    try db.record(
      Event(
        state == .failed ? .failed : .cancelled, at: now, batch: batch, job: lease.job, worker: lease.worker,
        detail: failure?.message))
  }

  private func insert(_ image: ImageRecord, _ job: Int64, _ db: Database) throws {
    try db.cachedStatement(
      sql: """
        INSERT INTO images (job, number, path, seed, width, height, digest, bytes, seconds)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
        """
    ).execute(arguments: [
      job, image.index, image.path, Int64(bitPattern: image.seed), image.width, image.height, image.digest,
      image.bytes,
      image.seconds,
    ])
  }
}
