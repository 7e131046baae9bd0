import Boundary
import GRDB

extension WorkerSession {
  /// Seconds after which a report that finds the queue locked gives way to a newer one.
  package static let reportPatience = 2.0

  /// Keeps a job for another lease. Not durable (`writeLightly`): a power cut ends the lease anyway.
  /// - Throws: `JobStoreError.leaseLost`
  @discardableResult
  package func renew(_ lease: Lease) throws -> Instruction {
    try database.writeLightly { db, now in try renew(lease, db, now) }
  }

  func renew(_ lease: Lease, _ db: Database, _ now: Milliseconds) throws -> Instruction {
    let row = try Row.fetchOne(
      db.cachedStatement(
        sql: """
          UPDATE jobs SET lease_expires = ?1, lease_set_at = ?2
          WHERE id = ?3 AND claims = ?4 AND lease_owner = ?5 AND state = 'running'
          RETURNING cancel_requested
          """),
      arguments: [now + leaseSeconds.asMilliseconds, now, lease.job, lease.claim, lease.worker])
    return try instruction(row, lease)
  }

  /// Writes the progress of an image, at every step. It is not durable, so it costs no fsync.
  /// - Parameters:
  ///   - progress: how far it is.
  ///   - seconds: how long to wait for the write lock.
  ///   - lease: of the job.
  /// - Throws: `JobStoreError.leaseLost`
  @discardableResult
  package func report(
    _ progress: ImageProgress, waiting seconds: Double = WorkerSession.reportPatience, _ lease: Lease
  ) throws -> Instruction {
    try database.writeLightly(waiting: seconds) { db, now in
      let instruction = try standing(lease, db)
      try db.cachedStatement(
        sql: """
          INSERT INTO progress (job, number, phase, step, steps, seconds_per_step, expected_end, updated_at)
          VALUES (?, ?, ?, ?, ?, ?, ?, ?)
          ON CONFLICT DO UPDATE SET phase = excluded.phase, step = excluded.step, steps = excluded.steps,
            seconds_per_step = excluded.seconds_per_step, expected_end = excluded.expected_end,
            updated_at = excluded.updated_at
          """
      ).execute(arguments: [
        lease.job, progress.index, progress.phase.rawValue, progress.step, progress.steps,
        progress.secondsPerStep, progress.expectedEnd, now,
      ])
      return instruction
    }
  }

  /// Shortens all leases to this session's length from now, and sets no heartbeat later than now. Otherwise, if the
  /// clock was set back by an hour, the job of a dead worker would wait an hour longer. Live workers renew their
  /// leases.
  package func shortenLeases() throws {
    try database.write { db, now in
      try db.execute(
        sql: """
          UPDATE jobs INDEXED BY jobs_leased SET lease_expires = ?1, lease_set_at = ?2
          WHERE state = 'running' AND lease_expires > ?1
          """, arguments: [now + leaseSeconds.asMilliseconds, now])
      try db.execute(
        sql: "UPDATE workers SET heartbeat_at = ?1 WHERE heartbeat_at > ?1", arguments: [now])
    }
  }

  /// Extends all leases to at least this session's length from now. If the clock was set forward, or the machine
  /// slept, live workers had no time to renew their leases and must not lose their jobs.
  package func extendLeases() throws {
    try database.write { db, now in try extendLeases(db, now) }
  }

  func extendLeases(_ db: Database, _ now: Milliseconds) throws {
    try db.execute(
      sql: """
        UPDATE jobs INDEXED BY jobs_leased SET lease_expires = ?1, lease_set_at = ?2
        WHERE state = 'running' AND lease_expires < ?1
        """, arguments: [now + leaseSeconds.asMilliseconds, now])
  }

  /// Notes what a running job waits for, in the column where people look for errors. It is not durable, and is
  /// removed when the job is done.
  /// - Throws: `JobStoreError.leaseLost`
  package func note(_ message: String, _ lease: Lease) throws {
    try database.writeLightly { db, _ in
      _ = try standing(lease, db)
      try db.cachedStatement(
        sql: "UPDATE jobs SET error = ?1, error_kind = 'transient' WHERE id = ?2 AND error IS NOT ?1"
      ).execute(arguments: [PlainText.line(message), lease.job])
    }
  }

  /// Notes the default size of a running job's pictures.
  /// - Throws: `JobStoreError.leaseLost`
  package func note(width: Int, height: Int, _ lease: Lease) throws {
    try database.writeLightly { db, _ in
      _ = try standing(lease, db)
      try db.cachedStatement(sql: "UPDATE jobs SET width = ?, height = ? WHERE id = ?")
        .execute(arguments: [width, height, lease.job])
    }
  }

  /// Asks, without writing anything, whether to go on.
  /// - Throws: `JobStoreError.leaseLost`
  package func instruction(_ lease: Lease) throws -> Instruction {
    try database.read { db in try standing(lease, db) }
  }

  /// Checks within a transaction that the lease is still valid.
  func standing(_ lease: Lease, _ db: Database) throws -> Instruction {
    let row = try Row.fetchOne(
      db.cachedStatement(
        sql: """
          SELECT cancel_requested FROM jobs
          WHERE id = ? AND claims = ? AND lease_owner = ? AND state = 'running'
          """),
      arguments: [lease.job, lease.claim, lease.worker])
    return try instruction(row, lease)
  }

  private func instruction(_ row: Row?, _ lease: Lease) throws -> Instruction {
    guard let row else { throw JobStoreError.leaseLost(job: lease.job, worker: lease.worker) }
    let reader = RowReader(row: row, table: "jobs")
    return try reader.value("cancel_requested") ? .cancel : .carryOn
  }
}
