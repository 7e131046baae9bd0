import Foundation
import GRDB
import Requests

/// Shards that go out.
extension ShardQueue {
  /// Makes one without jobs, as a pattern for others: to copy a schema is much quicker than to make it.
  /// - Parameters:
  ///   - path: the new file.
  ///   - folder: on a local disk, for what is in the making.
  /// - Throws: `JobStoreError`
  package static func makeEmpty(_ path: String, in folder: String) throws {
    let draft = "\(folder)/draft-\(UUID().uuidString).sqlite"
    defer { remove(draft) }
    let database = try QueueDatabase.open(path: draft, role: .daemon)
    try database.writeOut(to: path)
    try database.close()
  }

  /// Makes one. The jobs keep their numbers, and so their pictures their bytes.
  /// - Parameters:
  ///   - path: the new file.
  ///   - empty: one without jobs, on a local disk; what is in the making lies beside it.
  ///   - jobs: their numbers.
  ///   - client: the queue that has them.
  ///   - rename: the name, for every machine, of what a request names: its model, and its files.
  /// - Throws: `JobStoreError`, `CocoaError`, and what `rename` throws.
  package static func make(
    _ path: String, from empty: String, of jobs: [Int64], in client: QueueClient,
    rename: (_ job: Int64, _ file: RequestFile?, _ name: String) throws -> String
  ) throws {
    let draft = "\(empty)-\(UUID().uuidString).sqlite"
    defer { remove(draft) }
    try FileManager.default.copyItem(atPath: empty, toPath: draft)
    let database = try QueueDatabase.open(path: draft, role: .daemon, for: .changing)
    try copy(jobs, from: client.database, to: database, rename)
    try database.writeOut(to: path)
    try database.close()
  }

  private static func copy(
    _ jobs: [Int64], from home: QueueDatabase, to shard: QueueDatabase,
    _ rename: (Int64, RequestFile?, String) throws -> String
  ) throws {
    try shard.write { target, _ in
      try home.read { source in
        var batch: Int64?
        for id in jobs {
          var job = try source.job(id)
          if batch != job.batch {
            batch = job.batch
            try copyBatch(job.batch, source, target)
          }
          // A machine that has the shard must not wait for hours, or for the pause before a retry.
          job.request.runAfter = nil
          job.request.render.model = try rename(id, nil, job.request.render.model)
          try job.request.render.changeFiles { file, path in try rename(id, file, path) }
          try insert(job, target)
          try copySources(ofJob: id, source, target, rename)
        }
      }
    }
  }

  private static func copyBatch(_ batch: Int64, _ source: Database, _ target: Database) throws {
    let columns = "id, name, created_at, first_job, last_job, same_numerics, numerics, name_pattern"
    guard
      let row = try Row.fetchOne(
        source, sql: "SELECT \(columns) FROM batches WHERE id = ?", arguments: [batch])
    else { throw JobStoreError.notFound(thing: "batch", id: "\(batch)") }
    try target.execute(
      sql: "INSERT INTO batches (\(columns)) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
      arguments: StatementArguments(row.databaseValues))
  }

  private static func insert(_ job: JobRecord, _ db: Database) throws {
    let columns = JobRequest.columns.joined(separator: ", ")
    let places = JobRequest.columns.map { _ in "?" }.joined(separator: ", ")
    try db.cachedStatement(
      sql: """
        INSERT INTO jobs (id, batch, created_at, numerics, \(columns))
        VALUES (?, ?, ?, (SELECT numerics FROM batches WHERE id = ?), \(places))
        """
    ).execute(
      arguments: StatementArguments(
        [
          job.id.databaseValue, job.batch.databaseValue, job.createdAt.databaseValue,
          job.batch.databaseValue,
        ] + job.request.values.map(\.databaseValue)))
  }

  /// Where lies what a job names of a hub goes with it.
  private static func copySources(
    ofJob job: Int64, _ source: Database, _ target: Database,
    _ rename: (Int64, RequestFile?, String) throws -> String
  ) throws {
    let rows = try Row.fetchAll(
      source,
      sql: """
        SELECT id, batch, source, use, name, revision, path, created_at FROM sources
        WHERE state = 'ready' AND id IN (SELECT source FROM job_sources WHERE job = ?)
        """, arguments: [job])
    for row in rows {
      let reader = RowReader(row: row, table: "sources")
      let path = try rename(job, reader.word("use", as: ModelUse.self).file, reader.value("path"))
      try target.execute(
        sql: """
          INSERT OR IGNORE INTO sources
            (id, batch, source, use, state, name, revision, path, created_at, updated_at)
          VALUES (?, ?, ?, ?, 'ready', ?, ?, ?, ?, ?)
          """,
        arguments: [
          try reader.value("id", as: Int64.self), try reader.value("batch", as: Int64.self),
          try reader.value("source", as: String.self), try reader.value("use", as: String.self),
          try reader.optional("name", as: String.self), try reader.optional("revision", as: String.self),
          path,
          try reader.value("created_at", as: Int64.self), try reader.value("created_at", as: Int64.self),
        ])
      try target.execute(
        sql: "INSERT OR IGNORE INTO job_sources (job, source) VALUES (?, ?)",
        arguments: [job, try reader.value("id", as: Int64.self)])
    }
  }

  private static func remove(_ path: String) {
    for ending in ["", "-wal", "-shm", "-journal"] { unlink(path + ending) }
  }
}

extension ModelUse {
  /// Which file of a request it stands for; nil: its model.
  fileprivate var file: RequestFile? {
    switch self {
    case .model, .ingredient: nil
    case .adapter: .lora
    case .autoencoder: .vae
    }
  }
}
