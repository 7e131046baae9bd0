import GRDB
import JobStore

/// The queue on PostgreSQL for clients: the same as `QueueClient` is on SQLite.
package struct PostgresClient: JobQueue {
  let database: PostgresDatabase

  /// A client that shares a connection.
  package init(_ database: PostgresDatabase) {
    self.database = database
  }

  package var path: String { database.name }

  /// There is no log whose size would tell of a reader.
  package var logSize: Int64 { 0 }

  /// The server's time.
  package func now() throws -> Milliseconds {
    let row = try database.row("SELECT milliseconds_now() AS now")
    return try RowReader(row: row, table: "queue").value("now")
  }

  var connection: ServerConnection { database.connection }

  /// - Throws: `JobStoreError.notFound`
  func check(batch: Int64) throws {
    let rows = try connection.rows("SELECT 1 AS one FROM batches WHERE id = $1::bigint", [.integer(batch)])
    guard !rows.isEmpty else { throw JobStoreError.notFound(thing: "batch", id: "\(batch)") }
  }

  /// The state of a job.
  /// - Throws: `JobStoreError.notFound`
  func state(ofJob id: Int64) throws -> JobState {
    let rows = try connection.rows("SELECT state FROM job_rows WHERE id = $1::bigint", [.integer(id)])
    guard let row = rows.first else { throw JobStoreError.notFound(thing: "job", id: "\(id)") }
    return try RowReader(row: row, table: "jobs").word("state")
  }

  /// The numbers of a scope's jobs, the first and the last.
  /// - Throws: `JobStoreError.notFound`, `.notOnServer`
  func range(of scope: JobScope) throws -> [ServerValue] {
    switch scope {
    case .job(let number): return [.integer(number), .integer(number)]
    case .batch(let number):
      let batch = try batch(number)
      return [.integer(batch.firstJob), .integer(batch.lastJob)]
    case .source: throw JobStoreError.notOnServer(what: "a source of a hub")
    }
  }
}

extension JobScope {
  /// nil unless it is all of a batch.
  var batch: Int64? {
    if case .batch(let number) = self { return number }
    return nil
  }
}
