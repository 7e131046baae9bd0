import Foundation
import GRDB
import Requests

/// A queue of some jobs of a batch, on its way to the machine that renders them, or back. On the way it is a single file
/// without a write-ahead log, which does not work on folders that several machines share. Paths of pictures in it are
/// relative to the folder of pictures.
package enum ShardQueue {
  /// Makes a queue ready for a daemon on this machine: an earlier daemon of it is gone, and paths are this machine's.
  /// - Parameters:
  ///   - path: a copy that is this machine's own.
  ///   - output: absolute path of the folder of pictures.
  ///   - moves: a folder's path on the machine that made it, and here.
  /// - Returns: pictures that are finished of jobs that are not; their files are wanted.
  package static func arrive(
    _ path: String, output: String, moving moves: (from: String, to: String)
  ) throws -> [ImageRecord] {
    let database = try QueueDatabase.open(path: path, role: .daemon, for: .changing)
    try forgetLackingModels(QueueClient(database))
    let wanted = try database.write { db, now in
      // A worker of another machine counts as alive for a minute after its last sign.
      try db.execute(
        sql: "UPDATE workers SET state = 'stopped', job = NULL, heartbeat_at = min(heartbeat_at, ?)",
        arguments: [now])
      // Nor does its lease count, whatever the next daemon is called, and whatever the other machine's clock has said.
      try db.execute(
        sql: "UPDATE jobs SET lease_expires = min(lease_expires, ?) WHERE state = 'running'", arguments: [now]
      )
      let wanted = try ImageRecord.fetchAll(
        db, sql: "SELECT * FROM checkpoints WHERE path IS NOT NULL ORDER BY job, number LIMIT 10000")
      for table in ["images", "former_images", "checkpoints"] {
        try db.execute(
          sql:
            "UPDATE \(table) SET path = ? || '/' || path WHERE path IS NOT NULL AND substr(path, 1, 1) <> '/'",
          arguments: [output])
      }
      if moves.from != moves.to { try move(from: moves.from + "/", to: moves.to + "/", db) }
      return wanted
    }
    try database.close()
    return wanted
  }

  /// How far a shard is.
  package struct Standing: Sendable, Equatable {
    /// Jobs that are not over. One that failed because its machine lacks a model, or a file that it adds to it, is not:
    /// another machine may have it.
    package var open: Int
    /// Steps that are saved of them.
    package var steps: Int
    /// The pictures of jobs that are done. Their paths are relative.
    package var pictures: [ImageRecord]
    /// Finished pictures of others, which may not be whole yet.
    package var announced: [ImageRecord]
  }

  /// Writes a copy of a queue at work, to travel.
  /// - Parameters:
  ///   - path: the queue.
  ///   - output: absolute path of its folder of pictures.
  ///   - copy: the new file.
  package static func leave(_ path: String, output: String, as copy: String) throws -> Standing {
    let database = try QueueDatabase.open(path: path, role: .client, for: .changing)
    try excuseLackedFiles(database)
    try database.writeOut(to: copy)
    try database.close()
    let travelling = try DatabaseQueue(path: copy)
    let left = try travelling.write { db in
      for table in ["images", "former_images", "checkpoints"] {
        try db.execute(
          sql: """
            UPDATE \(table) SET path = substr(path, length(?1) + 2)
            WHERE path IS NOT NULL AND substr(path, 1, length(?1) + 1) = ?1 || '/'
            """, arguments: [output])
      }
      return try standing(of: db)
    }
    try travelling.close()
    return left
  }

  /// How far the shard is that a file holds.
  /// - Throws: `JobStoreError` if it holds none.
  package static func standing(_ path: String) throws -> Standing {
    let database = try QueueDatabase.open(path: path, role: .client, for: .reading)
    defer { try? database.close() }
    return try database.read { db in try standing(of: db) }
  }

  /// The condition in SQL for jobs that failed because a machine lacks their model, or cannot read it.
  private static let lacksModel = "state = 'failed' AND error_kind = '\(FailureKind.model.rawValue)'"

  /// A job that was given up while it waited, because no worker has a LoRA, VAE or learned word that it names, has the
  /// kind of a wrong request: the one machine that a queue usually is cannot do better. In a shard it gets the kind of a
  /// job whose model is lacking. The daemon's next start forgets what was lacked, so the queue itself is changed.
  private static func excuseLackedFiles(_ database: QueueDatabase) throws {
    let condition =
      "state = 'failed' AND error_kind = '\(FailureKind.badInput.rawValue)' AND started_at IS NULL"
    let jobs = try database.read { db in
      let lacked = try String.fetchAll(db, sql: "SELECT DISTINCT model FROM lacking_models LIMIT 10000")
      guard !lacked.isEmpty else { return [Int64]() }
      return try Int64.fetchAll(
        db, sql: "SELECT id FROM jobs WHERE \(condition) AND \(WorkerSession.needsFiles)",
        arguments: ["files": WorkerSession.list(lacked)])
    }
    guard !jobs.isEmpty else { return }
    try database.write { db, _ in
      for job in jobs {
        try db.cachedStatement(sql: "UPDATE jobs SET error_kind = ? WHERE id = ? AND \(condition)").execute(
          arguments: [FailureKind.model.rawValue, job])
      }
    }
  }

  /// What an earlier machine did not have, this one may: the jobs wait again.
  private static func forgetLackingModels(_ client: QueueClient) throws {
    let (jobs, models) = try client.database.read { db in
      (
        try Int64.fetchAll(db, sql: "SELECT id FROM jobs WHERE \(lacksModel)"),
        try String.fetchAll(db, sql: "SELECT name FROM models WHERE held_until IS NOT NULL")
      )
    }
    for job in jobs { try client.retry(job: job) }
    try client.database.write { db, now in
      for model in models { try db.release(model: model, at: now) }
    }
  }

  private static func standing(of db: Database) throws -> Standing {
    Standing(
      open: try Int.fetchOne(
        db, sql: "SELECT count(*) FROM jobs WHERE state IN ('queued', 'running') OR \(lacksModel)") ?? 0,
      steps: try Int.fetchOne(
        db, sql: "SELECT CAST(min(1e15, total(max(0, step))) AS INTEGER) FROM checkpoints") ?? 0,
      pictures: try ImageRecord.fetchAll(
        db, sql: "SELECT * FROM images WHERE job IN (SELECT id FROM jobs WHERE state = 'done')"),
      announced: try ImageRecord.fetchAll(db, sql: "SELECT * FROM checkpoints WHERE path IS NOT NULL"))
  }

  /// Files beside the shards have other paths on a machine that has the folder elsewhere.
  private static func move(from: String, to: String, _ db: Database) throws {
    func here(_ path: String) -> String { path.hasPrefix(from) ? to + path.dropFirst(from.count) : path }
    let ids = try Int64.fetchAll(db, sql: "SELECT id FROM jobs WHERE state IN ('queued', 'running')")
    for id in ids {
      var job = try db.job(id)
      let before = job.request
      job.request.render.model = here(job.request.render.model)
      job.request.render.changeFiles { _, path in here(path) }
      guard job.request != before else { continue }
      let changes = JobRequest.columns.map { "\($0) = ?" }.joined(separator: ", ")
      try db.cachedStatement(sql: "UPDATE jobs SET \(changes) WHERE id = ?").execute(
        arguments: StatementArguments(job.request.values.map(\.databaseValue) + [id.databaseValue]))
    }
    try db.execute(
      sql: """
        UPDATE sources SET path = ?2 || substr(path, length(?1) + 1)
        WHERE path IS NOT NULL AND substr(path, 1, length(?1)) = ?1
        """, arguments: [from, to])
  }
}

extension QueueDatabase {
  /// Writes the whole queue into one new file without a log.
  func writeOut(to path: String) throws {
    unlink(path)
    try translated {
      try connection.writeWithoutTransaction { db in
        try db.execute(sql: "VACUUM INTO ?", arguments: [path])
      }
    }
  }
}
