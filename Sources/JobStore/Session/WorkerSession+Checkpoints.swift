import Foundation
import GRDB

extension WorkerSession {
  /// Saves a checkpoint of an image over the one before. It is not durable (`writeLightly`), because an older
  /// checkpoint is enough after a power cut.
  /// - Parameters:
  ///   - state: the resume state, sealed.
  ///   - step: steps that are done.
  ///   - index: of the picture within the job.
  ///   - modelDigest: of the model that renders it.
  ///   - seconds: how long to wait for the write lock; nil: as long as ever.
  ///   - lease: of the job.
  /// - Returns: the seconds that it took once it had the lock.
  /// - Throws: `JobStoreError.leaseLost`
  @discardableResult
  package func keep(
    _ state: Data, step: Int, index: Int, modelDigest: String, waiting seconds: Double? = nil, _ lease: Lease
  ) throws -> Double {
    var begun = ContinuousClock.now
    try database.writeLightly(waiting: seconds) { db, now in
      begun = .now
      _ = try standing(lease, db)
      try db.cachedStatement(
        sql: """
          INSERT OR REPLACE INTO checkpoints (job, number, step, state, model_digest, made_at, numerics)
          VALUES (?, ?, ?, ?, ?, ?, ?)
          """
      ).execute(arguments: [lease.job, index, step, state, modelDigest, now, record.numerics])
    }
    return (ContinuousClock.now - begun) / .seconds(1)
  }

  /// Announces the file that is about to get its final name. It is durable when the call returns.
  /// - Throws: `JobStoreError.leaseLost`; then the file must not get its name.
  package func announce(_ image: ImageRecord, step: Int, modelDigest: String, _ lease: Lease) throws {
    try database.writeMending { db, now in
      _ = try standing(lease, db)
      try insert(image, job: lease.job, step: step, modelDigest: modelDigest, db, now)
    }
  }

  /// Notes that a file got its final name after its job had been taken away. What becomes of it `settleLeftovers`
  /// decides.
  package func disown(_ image: ImageRecord, job: Int64, modelDigest: String) throws {
    try database.write { db, now in
      let state = try String.fetchOne(db, sql: "SELECT state FROM jobs WHERE id = ?", arguments: [job])
      guard state == JobState.failed.rawValue || state == JobState.cancelled.rawValue else { return }
      try insert(image, job: job, step: 0, modelDigest: modelDigest, db, now)
    }
  }

  /// Calls `judge` for the finished pictures of failed and cancelled jobs, and does with their rows what it says. It
  /// holds the write lock meanwhile, so that such a job cannot be retried in between.
  /// - Parameters:
  ///   - output: the folder of this daemon's pictures. Files elsewhere, of daemons that write there, are left to
  ///     them: however many there are, they must not be in the way of its own.
  ///   - judge: what becomes of a picture.
  /// - Returns: how many rows are dealt with.
  @discardableResult
  package func settleLeftovers(
    below output: String, _ judge: (Leftover) throws -> Leftover.Fate
  ) throws -> Int {
    let query = """
      SELECT c.job, j.batch, c.number, c.path, c.bytes, c.digest, j.discard, b.name_pattern IS NOT NULL AS patterned
      FROM checkpoints c INDEXED BY checkpoints_files JOIN jobs j ON j.id = c.job LEFT JOIN batches b ON b.id = j.batch
      WHERE c.path IS NOT NULL AND j.state IN ('failed', 'cancelled') AND instr(c.path,
        ?1 || '/' || iif(b.name_pattern IS NULL, j.batch || '/' || c.job || '-' || c.number, '')) = 1 LIMIT 100
      """
    // There rarely are any, and looking needs no lock.
    guard
      try database.read({ db in try Row.fetchOne(db.cachedStatement(sql: query), arguments: [output]) })
        != nil
    else { return 0 }
    return try database.write { db, _ in
      var settled = 0
      for row in try Row.fetchAll(db.cachedStatement(sql: query), arguments: [output]) {
        let reader = RowReader(row: row, table: "checkpoints")
        let leftover = Leftover(
          job: try reader.value("job"), batch: try reader.value("batch"), index: try reader.value("number"),
          path: try reader.value("path"),
          bytes: try reader.value("bytes"), digest: try reader.value("digest"),
          isUnwanted: try reader.value("discard"), isPatterned: try reader.value("patterned"))
        let fate = try judge(leftover)
        if fate == .wait { continue }
        if fate == .keep { try db.keepImage(ofJob: leftover.job, index: leftover.index) }
        try db.execute(
          sql: "DELETE FROM checkpoints WHERE job = ? AND number = ?",
          arguments: [leftover.job, leftover.index])
        settled += 1
      }
      return settled
    }
  }

  /// Those of the given jobs that are running now.
  package func running(among jobs: Set<Int64>) throws -> Set<Int64> {
    try database.read { db in
      let all = try Int64.fetchSet(
        db, sql: "SELECT id FROM jobs INDEXED BY jobs_leased WHERE state = 'running'")
      return jobs.intersection(all)
    }
  }

  private func insert(
    _ image: ImageRecord, job: Int64, step: Int, modelDigest: String, _ db: Database, _ now: Milliseconds
  ) throws {
    try db.cachedStatement(
      sql: """
        INSERT OR REPLACE INTO checkpoints (job, number, step, state, model_digest, made_at,
          path, seed, width, height, digest, bytes, seconds, numerics)
        VALUES (?, ?, ?, x'', ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
        """
    ).execute(arguments: [
      job, image.index, step, modelDigest, now, image.path, Int64(bitPattern: image.seed), image.width,
      image.height,
      image.digest, image.bytes, image.seconds, image.numerics,
    ])
  }
}
