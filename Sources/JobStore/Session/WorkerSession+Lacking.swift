import Boundary
import Foundation
import GRDB

/// Models that this worker cannot load but others perhaps can.
extension WorkerSession {
  /// Gives a job back because this worker lacks its model. The attempt does not count, and other workers may still
  /// take the model's jobs. If the job's cancellation was requested, it is cancelled.
  /// - Parameters:
  ///   - model: the model's name in the job.
  ///   - reason: why it cannot be loaded, in words.
  ///   - lease: of the job.
  /// - Throws: `JobStoreError.leaseLost`
  package func lack(_ model: String, reason: String, _ lease: Lease) throws {
    let reason = PlainText.line(reason)
    try database.writeMending { db, now in
      try giveBack(lease, db, now)
      try db.execute(
        sql: "UPDATE jobs SET error = ?, error_kind = 'model' WHERE id = ? AND state = 'queued'",
        arguments: [reason, lease.job])
      try db.execute(
        sql: """
          INSERT INTO lacking_models (worker, model, since, reason) VALUES (?, ?, ?, ?)
          ON CONFLICT DO UPDATE SET reason = excluded.reason
          """, arguments: [name, model, now, reason])
    }
    drop(lease)
  }

  /// Notes that the files of a lacked model have changed, so that this worker may soon have it.
  package func expect(_ model: String) throws {
    try database.write { db, now in
      try db.execute(
        sql: "UPDATE lacking_models SET since = ? WHERE worker = ? AND model = ?",
        arguments: [now, name, model])
    }
  }

  /// The next job whose model this worker does not lack. Jobs of lacked models are skipped by model, not one by one.
  /// Jobs whose model no live worker has had for `patience` seconds fail.
  /// - Parameter hasGivenUp: set if some jobs have failed; there may be more of them.
  /// - Returns: the job's number; nil if there is none.
  func head(
    avoiding lacked: Set<String>, preferring preferred: [String], patience: Double,
    _ hasGivenUp: inout Bool, _ db: Database, _ now: Milliseconds
  ) throws -> Int64? {
    let due = Transition[.claim].condition
    let priorities = try db.cachedStatement(
      sql: """
        SELECT priority FROM jobs INDEXED BY jobs_due WHERE \(due) AND priority < ?
        ORDER BY priority DESC LIMIT 1
        """)
    let models = try db.cachedStatement(
      sql: """
        SELECT model, id FROM jobs INDEXED BY jobs_due_by_model
        WHERE \(due) AND priority = ? AND model > ? ORDER BY model, id LIMIT 1
        """)
    var priority = Int64.max
    while let next = try Int64.fetchOne(priorities, arguments: [priority]) {
      priority = next
      var heads: [(model: String, id: Int64)] = []
      var last = ""
      while let row = try Row.fetchOne(models, arguments: [priority, last]) {
        let reader = RowReader(row: row, table: "jobs")
        last = try reader.value("model")
        if lacked.contains(last) {
          let failed = try giveUp(last, priority: priority, after: patience, db, now)
          hasGivenUp = hasGivenUp || failed
        } else {
          heads.append((last, try reader.value("id")))
        }
      }
      guard let first = heads.map(\.id).min() else { continue }
      let near = heads.filter { preferred.contains($0.model) && $0.id <= first + Self.overtakingWindow }
      return near.map(\.id).min() ?? first
    }
    return nil
  }

  /// Fails the due jobs of a model, some at a time, if no live worker has had it for that long.
  /// - Returns: whether any failed.
  private func giveUp(
    _ model: String, priority: Int64, after patience: Double, _ db: Database, _ now: Milliseconds
  ) throws -> Bool {
    let since = now - patience.asMilliseconds
    let reason = try String.fetchOne(
      db.cachedStatement(
        sql: "SELECT reason FROM lacking_models WHERE worker = ? AND model = ? AND since <= ?"),
      arguments: [name, model, since])
    guard let reason else { return false }
    let others = try Int.fetchOne(
      db.cachedStatement(
        sql: """
          SELECT count(*) FROM workers w WHERE name <> :me AND state <> 'stopped'
            AND heartbeat_at > :now - :limit AND heartbeat_at < :now + :limit
            AND NOT EXISTS (
              SELECT 1 FROM lacking_models WHERE worker = w.name AND model = :model AND since <= :since)
          """),
      arguments: [
        "me": name, "now": now, "limit": WorkerRecord.heartbeatLimit, "model": model, "since": since,
      ])
    guard others == 0 else { return false }
    let jobs = try Int64.fetchAll(
      db.cachedStatement(
        sql: """
          SELECT id FROM jobs INDEXED BY jobs_due_by_model
          WHERE \(Transition[.claim].condition) AND priority = ? AND model = ? ORDER BY id LIMIT ?
          """), arguments: [priority, model, Self.failuresAtOnce])
    let message = "no worker has its model: \(reason)"
    for job in jobs {
      try db.move(
        .giveUp, .job(job), at: now,
        ["worker": name, "error": message, "kind": FailureKind.model.rawValue], details: [.failed: message])
    }
    return !jobs.isEmpty
  }
}
