import GRDB

/// Look-ups that clients and workers share. They run within a transaction.
extension Database {
  /// One job with all its columns.
  /// - Throws: `JobStoreError.notFound`, `.damagedRow`
  func job(_ id: Int64) throws -> JobRecord {
    let row = try Row.fetchOne(
      cachedStatement(
        sql: "SELECT \(JobRecord.columns) FROM jobs j JOIN batches b ON b.id = j.batch WHERE j.id = ?"),
      arguments: [id])
    guard let row else {
      // The join does not find a job whose batch is missing.
      let batch = try Int64.fetchOne(self, sql: "SELECT batch FROM jobs WHERE id = ?", arguments: [id])
      guard let batch else { throw JobStoreError.notFound(thing: "job", id: "\(id)") }
      throw JobStoreError.damagedRow(table: "jobs", column: "batch", value: "\(batch)")
    }
    return try JobRecord(row: row)
  }

  /// - Throws: `JobStoreError.notFound`, `.damagedRow`
  func state(ofJob id: Int64) throws -> JobState {
    guard let row = try Row.fetchOne(self, sql: "SELECT state FROM jobs WHERE id = ?", arguments: [id]) else {
      throw JobStoreError.notFound(thing: "job", id: "\(id)")
    }
    return try RowReader(row: row, table: "jobs").word("state")
  }

  /// - Throws: `JobStoreError.notFound`
  func check(batch: Int64) throws {
    let row = try Row.fetchOne(self, sql: "SELECT 1 FROM batches WHERE id = ?", arguments: [batch])
    guard row != nil else { throw JobStoreError.notFound(thing: "batch", id: "\(batch)") }
  }

  /// Adds a picture to those of a job.
  func insert(_ image: ImageRecord, ofJob job: Int64) throws {
    try cachedStatement(
      sql: """
        INSERT INTO images (job, number, path, seed, width, height, digest, bytes, seconds, numerics)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
        """
    ).execute(arguments: [
      job, image.index, image.path, Int64(bitPattern: image.seed), image.width, image.height, image.digest,
      image.bytes, image.seconds, image.numerics,
    ])
  }

  /// Makes a finished picture of a job that is over one of its images.
  func keepImage(ofJob job: Int64, index: Int) throws {
    let columns = "path, number, seed, width, height, digest, bytes, seconds, numerics"
    let arguments: StatementArguments = ["job": job, "number": index]
    // Another worker may have finished the same one under another name.
    try execute(
      sql: """
        INSERT OR REPLACE INTO former_images (job, \(columns)) SELECT job, \(columns) FROM images
        WHERE job = :job AND number = :number
        """, arguments: arguments)
    try execute(sql: "DELETE FROM images WHERE job = :job AND number = :number", arguments: arguments)
    // A row that lacks something is none.
    try execute(
      sql: """
        INSERT OR IGNORE INTO images (job, \(columns)) SELECT job, \(columns) FROM checkpoints
        WHERE job = :job AND number = :number AND path IS NOT NULL
        """, arguments: arguments)
    try execute(
      sql: """
        UPDATE jobs SET model_digest = (SELECT model_digest FROM checkpoints WHERE job = :job AND number = :number)
        WHERE id = :job AND model_digest IS NULL
        """, arguments: arguments)
  }

  /// Makes the images of jobs that failed or were cancelled finished pictures of unfinished jobs again: a daemon that
  /// renders such a job need not render them, and one that is to discard them finds them.
  func reopenImages(_ scope: JobScope, of states: [JobState], at now: Milliseconds) throws {
    let words = states.map { "'\($0.rawValue)'" }.joined(separator: ", ")
    let jobs = "job IN (SELECT id FROM jobs WHERE \(scope.sql) AND state IN (\(words)))"
    try execute(
      sql: """
        INSERT OR IGNORE INTO checkpoints (job, number, step, state, model_digest, made_at,
          path, seed, width, height, digest, bytes, seconds, numerics)
        SELECT job, number, 0, x'', coalesce((SELECT model_digest FROM jobs WHERE id = job), ''), :now,
          path, seed, width, height, digest, bytes, seconds, numerics
        FROM images WHERE \(jobs)
        """, arguments: ["scope": scope.number, "now": now])
    try execute(
      sql: """
        DELETE FROM images WHERE \(jobs)
          AND path = (SELECT c.path FROM checkpoints c WHERE c.job = images.job AND c.number = images.number)
        """, arguments: ["scope": scope.number])
  }

  /// Takes the pictures of an earlier rendering out of the way of the new ones: they stay on disk, and known.
  func retireImages(_ scope: JobScope) throws {
    let jobs = "job IN (SELECT id FROM jobs WHERE \(scope.sql) AND state <> 'done')"
    let columns = "job, path, number, seed, width, height, digest, bytes, seconds, numerics"
    try execute(
      sql: "INSERT OR REPLACE INTO former_images (\(columns)) SELECT \(columns) FROM images WHERE \(jobs)",
      arguments: ["scope": scope.number])
    guard changesCount > 0 else { return }
    try execute(sql: "DELETE FROM images WHERE \(jobs)", arguments: ["scope": scope.number])
  }

  /// Ends the hold of a model's jobs.
  func release(model: String, at now: Milliseconds) throws {
    try execute(sql: "UPDATE models SET held_until = NULL, held_at = NULL WHERE name = ?", arguments: [model])
    try execute(
      sql:
        "UPDATE jobs SET held = held & ~\(Hold.model.rawValue) WHERE model = ? AND held & \(Hold.model.rawValue)",
      arguments: [model])
    try record(Event(.modelReleased, at: now, detail: model))
  }
}
