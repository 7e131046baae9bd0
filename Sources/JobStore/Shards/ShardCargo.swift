import GRDB

/// Jobs of a batch on their way into a shard, with all that another machine must know of them.
package struct ShardCargo {
  /// The batch's row: `batchColumns` in order.
  package let batch: [DatabaseValue]
  package let jobs: [JobRecord]
  /// What they name of a hub and is here: rows of `sources` by the job.
  package let sources: [Int64: [Row]]

  package init(batch: Row, jobs: [JobRecord], sources: [Int64: [Row]] = [:]) {
    // A server's rows have their columns in any order.
    self.batch = Self.batchColumns.components(separatedBy: ", ").map { batch[$0] ?? .null }
    self.jobs = jobs
    self.sources = sources
  }

  /// What goes along of a batch.
  package static let batchColumns =
    "id, name, created_at, first_job, last_job, same_numerics, numerics, name_pattern"
}

extension QueueClient {
  /// Jobs of a batch with all that another machine must know of them.
  package func cargo(of jobs: [Int64], batch: Int64) throws -> ShardCargo {
    try database.read { db in
      guard
        let row = try Row.fetchOne(
          db, sql: "SELECT \(ShardCargo.batchColumns) FROM batches WHERE id = ?", arguments: [batch])
      else { throw JobStoreError.notFound(thing: "batch", id: "\(batch)") }
      var sources: [Int64: [Row]] = [:]
      for job in jobs {
        let rows = try Row.fetchAll(
          db.cachedStatement(
            sql: """
              SELECT id, batch, source, use, name, revision, path, created_at FROM sources
              WHERE state = 'ready' AND id IN (SELECT source FROM job_sources WHERE job = ?)
              """), arguments: [job])
        if !rows.isEmpty { sources[job] = rows }
      }
      return ShardCargo(batch: row, jobs: try jobs.map { try db.job($0) }, sources: sources)
    }
  }
}
