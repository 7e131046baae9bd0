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
  ///   - jobs: their numbers, of one batch.
  ///   - batch: theirs.
  ///   - queue: the queue that has them.
  ///   - rename: the name, for every machine, of what a request names: its model, and its files.
  /// - Throws: `JobStoreError`, `CocoaError`, and what `rename` throws.
  package static func make(
    _ path: String, from empty: String, of jobs: [Int64], batch: Int64, in queue: any ShardableQueue,
    rename: (_ job: Int64, _ file: RequestFile?, _ name: String) throws -> String
  ) throws {
    let draft = "\(empty)-\(UUID().uuidString).sqlite"
    defer { remove(draft) }
    try FileManager.default.copyItem(atPath: empty, toPath: draft)
    let database = try QueueDatabase.open(path: draft, role: .daemon, for: .changing)
    try database.write { db, _ in
      // Some at a time: there may be a million.
      for start in stride(from: 0, to: jobs.count, by: 1000) {
        let some = Array(jobs[start..<min(start + 1000, jobs.count)])
        try insert(queue.cargo(of: some, batch: batch), isFirst: start == 0, db, rename)
      }
    }
    try database.writeOut(to: path)
    try database.close()
  }

  private static func insert(
    _ cargo: ShardCargo, isFirst: Bool, _ db: Database,
    _ rename: (Int64, RequestFile?, String) throws -> String
  ) throws {
    if isFirst {
      let places = cargo.batch.map { _ in "?" }.joined(separator: ", ")
      try db.execute(
        sql: "INSERT INTO batches (\(ShardCargo.batchColumns)) VALUES (\(places))",
        arguments: StatementArguments(cargo.batch))
    }
    for var job in cargo.jobs {
      // A machine that has the shard must not wait for hours, or for the pause before a retry.
      job.request.runAfter = nil
      job.request.render.model = try rename(job.id, nil, job.request.render.model)
      try job.request.render.changeFiles { file, path in try rename(job.id, file, path) }
      try insert(job, db)
      for source in cargo.sources[job.id] ?? [] { try insert(source, ofJob: job.id, db, rename) }
    }
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
  private static func insert(
    _ source: Row, ofJob job: Int64, _ db: Database,
    _ rename: (Int64, RequestFile?, String) throws -> String
  ) throws {
    let reader = RowReader(row: source, table: "sources")
    let path = try rename(job, reader.word("use", as: ModelUse.self).file, reader.value("path"))
    let id: Int64 = try reader.value("id")
    try db.execute(
      sql: """
        INSERT OR IGNORE INTO sources
          (id, batch, source, use, state, name, revision, path, created_at, updated_at)
        VALUES (?, ?, ?, ?, 'ready', ?, ?, ?, ?, ?)
        """,
      arguments: [
        id, try reader.value("batch", as: Int64.self), try reader.value("source", as: String.self),
        try reader.value("use", as: String.self), try reader.optional("name", as: String.self),
        try reader.optional("revision", as: String.self), path,
        try reader.value("created_at", as: Int64.self), try reader.value("created_at", as: Int64.self),
      ])
    try db.execute(
      sql: "INSERT OR IGNORE INTO job_sources (job, source) VALUES (?, ?)", arguments: [job, id])
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
