import GRDB

/// Jobs that wait no longer: their time has come, their model's hold is over, or their worker died.
extension WorkerSession {
  /// A job fails after losing its worker this often ("poison"), because it probably kills workers.
  package static let lossLimit = 3

  /// When `claim` may find a job although nothing was committed: a run-after time, a lease, a model's hold or
  /// the wait for a worker of a class of numerics ends. nil means never. A worker should wake at this time, or when
  /// `changeMark` changes.
  /// - Parameter numericsPatience: as in `claim`.
  package func nextDue(
    numericsPatience: Double = WorkerSession.usualNumericsPatience
  ) throws -> Milliseconds? {
    try database.read { db in
      try Int64.fetchOne(
        db.cachedStatement(
          sql: """
            SELECT min(at) FROM (
              SELECT min(run_after) AS at FROM jobs INDEXED BY jobs_waiting
              WHERE state = 'queued' AND run_after IS NOT NULL
              UNION ALL SELECT min(lease_expires) FROM jobs INDEXED BY jobs_leased WHERE state = 'running'
              UNION ALL SELECT min(numerics_since) + ? FROM jobs INDEXED BY jobs_of_class
              WHERE state = 'queued' AND numerics_since IS NOT NULL
              UNION ALL SELECT min(held_until) FROM models WHERE held_until IS NOT NULL)
            """), arguments: [numericsPatience.asMilliseconds])
    }
  }

  /// Frees the jobs of workers that stopped renewing their leases.
  func freeExpired(_ db: Database, _ now: Milliseconds) throws {
    try Self.free(
      Int64.fetchAll(
        db.cachedStatement(
          sql: "SELECT id FROM jobs INDEXED BY jobs_leased WHERE state = 'running' AND lease_expires <= ?"),
        arguments: [now]), db, now)
  }

  /// Ends the attempts of jobs whose workers died.
  /// - Parameter restarted: the name of a worker that signs on again; nil for jobs whose leases have expired.
  static func free(_ jobs: [Int64], restarted: String? = nil, _ db: Database, _ now: Milliseconds) throws {
    for id in jobs {
      let row = try Row.fetchOne(
        db.cachedStatement(
          sql: """
            SELECT lease_owner, losses, attempts,
              CAST(min(1e9, (SELECT total(step) FROM progress WHERE job = ?1)) AS INTEGER) AS reported,
              CAST(min(1e9, (SELECT total(step) FROM checkpoints WHERE job = ?1)) AS INTEGER) AS saved
            FROM jobs WHERE id = ?1
            """), arguments: [id])
      guard let row else { continue }
      let reader = RowReader(row: row, table: "jobs")
      let saved: Int = try reader.value("saved")
      // A report may be ahead of what is saved. If the next attempt saves more, it moved forward, though it may not have
      // got beyond that report.
      let reached = max(saved, try reader.value("reported"))
      let worker: String? = try reader.optional("lease_owner")
      let losses = min(try reader.value("losses", as: Int.self), 1000) + 1
      let message =
        "worker \(worker ?? "?") vanished while rendering it (crash, kill or hang), \(losses) times so far"
      let setAside =
        "set aside after \(losses) losses and \(try reader.value("attempts", as: Int.self)) attempts: \(message)"
      // Only the move whose guards hold changes the job.
      for name in [Transition.Name.cancelLost, .requeueAdvanced, .requeueLost, .failLost]
      where try db.move(
        name, .job(id), at: now,
        [
          "worker": worker, "restarted": restarted, "reached": reached, "saved": saved, "error": message,
          "kind": FailureKind.lost.rawValue,
        ],
        details: [.failed: setAside]) > 0
      { break }
      try db.cachedStatement(sql: "DELETE FROM progress WHERE job = ?").execute(arguments: [id])
    }
  }

  /// Fails a job whose row is impossible.
  func refuse(_ job: Int64, _ message: String, _ db: Database, _ now: Milliseconds) throws {
    try db.move(
      .refuse, .job(job), at: now,
      ["worker": name, "error": message, "kind": FailureKind.badInput.rawValue], details: [.failed: message])
  }

  /// Puts jobs whose run-after time has come, and jobs of models whose hold is over, into the claim's index.
  func releaseDue(_ db: Database, _ now: Milliseconds) throws {
    try db.cachedStatement(
      sql: """
        UPDATE jobs INDEXED BY jobs_waiting SET run_after = NULL
        WHERE state = 'queued' AND run_after IS NOT NULL AND run_after <= ?
        """
    ).execute(arguments: [now])
    let models = try String.fetchAll(
      db.cachedStatement(sql: "SELECT name FROM models WHERE held_until IS NOT NULL AND held_until <= ?"),
      arguments: [now])
    for model in models { try db.release(model: model, at: now) }
  }
}
