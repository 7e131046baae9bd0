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

  /// Takes the pictures of an earlier rendering out of the way of the new ones: they stay on disk, and known.
  func retireImages(_ scope: JobScope) throws {
    let jobs = "job IN (SELECT id FROM jobs WHERE \(scope.sql) AND state <> 'done')"
    let columns = "job, path, number, seed, width, height, digest, bytes, seconds"
    try execute(
      sql: "INSERT OR REPLACE INTO former_images (\(columns)) SELECT \(columns) FROM images WHERE \(jobs)",
      arguments: ["scope": scope.number])
    guard changesCount > 0 else { return }
    try execute(sql: "DELETE FROM images WHERE \(jobs)", arguments: ["scope": scope.number])
  }

  /// Ends the hold of a model's jobs. The count of failures stays, so that one more failure holds them again, for
  /// longer.
  func release(model: String, at now: Milliseconds) throws {
    try execute(sql: "UPDATE models SET held_until = NULL, held_at = NULL WHERE name = ?", arguments: [model])
    try execute(
      sql:
        "UPDATE jobs SET held = held & ~\(Hold.model.rawValue) WHERE model = ? AND held & \(Hold.model.rawValue)",
      arguments: [model])
    try record(Event(.modelReleased, at: now, detail: model))
  }
}
