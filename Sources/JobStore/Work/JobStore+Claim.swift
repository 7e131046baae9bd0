import Boundary
import Foundation
import GRDB
import Requests

extension JobStore {
  /// How far, counted in job numbers, a job whose model is loaded may overtake one of the same priority
  /// whose model is not. It bounds the wait: no job is overtaken by more than this many.
  package static let overtakingWindow: Int64 = 256

  /// A job is set aside as failed after losing its worker this often ("poison"): it probably kills it.
  package static let lossLimit = 3

  /// Takes the next job: the highest priority first, then the lowest number, of those that are due and
  /// neither paused nor held. Jobs whose lease ran out are freed first. The attempt counts from now.
  ///
  /// A row that can't be right (mended by hand, or beyond `limits`) fails as bad input, and the next is taken.
  /// - Parameters:
  ///   - worker: The name it registered with.
  ///   - lease: Seconds until the job is free again unless the lease is renewed.
  ///   - preferredModels: Models in memory, as jobs name them; see `overtakingWindow`.
  ///   - limits: What a request may ask for.
  /// - Returns: Nil when nothing is due.
  package func claim(
    worker: String, lease seconds: Double, preferredModels: [String] = [],
    limits: RenderLimits = RenderLimits()
  ) throws -> ClaimedJob? {
    try untilValid { db, now in
      try freeExpired(db, now)
      try releaseDue(db, now)
      return try firstValid(worker, limits, db, now) {
        try claimRow(worker, expires: now + seconds.asMilliseconds, preferredModels, db, now)
      }
    }
  }

  /// Takes a further job that can go through its model together with one at work: of the same model, weights
  /// and size. Whose turn it is counts as at a claim that prefers this model. One that has lost a worker goes
  /// alone: should it kill the next, it must not take others with it.
  /// - Parameters:
  ///   - request: Of the job at work, as it was claimed.
  ///   - worker: The name it registered with.
  ///   - lease: Seconds until the job is free again unless the lease is renewed.
  ///   - limits: What a request may ask for.
  /// - Returns: Nil when there is none.
  package func claimCompanion(
    of request: RenderRequest, worker: String, lease seconds: Double, limits: RenderLimits = RenderLimits()
  ) throws -> ClaimedJob? {
    try untilValid { db, now in
      try firstValid(worker, limits, db, now) {
        try companionRow(of: request, worker, expires: now + seconds.asMilliseconds, db, now)
      }
    }
  }

  /// What one transaction of a claim came to.
  private enum Turn {
    case claimed(ClaimedJob)
    /// Nothing is due.
    case nothing
    /// So far only jobs that cannot be right.
    case unfinished
  }

  /// What became of the first row in turn.
  private enum Taking {
    /// Claimed: its id, batch and claim.
    case row(Row)
    /// It could not even be claimed, and has failed.
    case failed
    /// There is none.
    case nothing

    init(_ row: Row?) { self = row.map(Taking.row) ?? .nothing }
  }

  /// Jobs that cannot be right and fail in one transaction: a whole queue of them must not keep others from writing.
  package static let failuresAtOnce = 100

  private func untilValid(_ turn: (Database, Milliseconds) throws -> Turn) throws -> ClaimedJob? {
    while true {
      switch try write(turn) {
      case .claimed(let job): return job
      case .nothing: return nil
      case .unfinished: continue
      }
    }
  }

  /// The first claimed job that can be right; those that cannot have failed.
  private func firstValid(
    _ worker: String, _ limits: RenderLimits, _ db: Database, _ now: Milliseconds,
    _ claimRow: () throws -> Taking
  ) throws -> Turn {
    for _ in 0..<Self.failuresAtOnce {
      let reader: RowReader
      switch try claimRow() {
      case .row(let row): reader = RowReader(row: row, table: "jobs")
      case .failed: continue
      case .nothing: return .nothing
      }
      let id: Int64 = try reader.value("id")
      let batch: Int64 = try reader.value("batch")
      let lease = Lease(job: id, worker: worker, claim: try reader.value("claims"))
      do {
        let job = try job(id, db)
        try job.request.validate(limits: limits)
        try db.record(
          Event(
            .claimed, at: now, batch: batch, job: id, worker: worker,
            detail: "attempt \(job.attempts) of \(job.request.maxAttempts)"))
        return .claimed(ClaimedJob(lease: lease, job: job))
      } catch let error where error is JobStoreError || error is RequestError {
        let failure = Failure(message: PlainText.line("\(error)"), kind: .badInput)
        try end(lease, batch: batch, .failed, failure, db, now)
      }
    }
    return .unfinished
  }

  /// When `claim` may find something that no commit announces: a run-after time, a lease, or a model's hold
  /// that runs out. Nil: never. Wake at this time, or when `dataVersion` changes.
  package func nextDue() throws -> Milliseconds? {
    try read { db in
      try Int64.fetchOne(
        db.cachedStatement(
          sql: """
            SELECT min(at) FROM (
              SELECT min(run_after) AS at FROM jobs INDEXED BY jobs_waiting
              WHERE state = 'queued' AND run_after IS NOT NULL
              UNION ALL SELECT min(lease_expires) FROM jobs INDEXED BY jobs_leased WHERE state = 'running'
              UNION ALL SELECT min(held_until) FROM models WHERE held_until IS NOT NULL)
            """))
    }
  }

  /// Puts back (or sets aside) the jobs of workers that stopped renewing their leases.
  private func freeExpired(_ db: Database, _ now: Milliseconds) throws {
    let expired = try Row.fetchAll(
      db.cachedStatement(
        sql: """
          SELECT id, batch, lease_owner, attempts, max_attempts, losses, cancel_requested
          FROM jobs INDEXED BY jobs_leased WHERE state = 'running' AND lease_expires <= ?
          """),
      arguments: [now])
    for row in expired { try free(row, db, now) }
  }

  /// Ends an attempt whose worker is gone. The row has the columns selected above.
  func free(_ row: Row, _ db: Database, _ now: Milliseconds) throws {
    let reader = RowReader(row: row, table: "jobs")
    let id: Int64 = try reader.value("id")
    let batch: Int64 = try reader.value("batch")
    let worker: String? = try reader.optional("lease_owner")
    let attempts: Int = try reader.value("attempts")
    let maxAttempts: Int = try reader.value("max_attempts")
    let losses = min(try reader.value("losses", as: Int.self), 1000) + 1
    let message = PlainText.line(
      "worker \(worker ?? "?") vanished while rendering it (crash, kill or hang), \(losses) times so far")

    let state: JobState
    if try reader.value("cancel_requested") {
      state = .cancelled
    } else if losses >= Self.lossLimit || attempts >= maxAttempts {
      state = .failed
    } else {
      state = .queued
    }
    try db.cachedStatement(
      sql: """
        UPDATE jobs SET state = ?1, lease_owner = NULL, lease_expires = NULL, losses = ?2,
          error = ?3, error_kind = 'lost', finished_at = iif(?1 = 'queued', NULL, ?4)
        WHERE id = ?5
        """
    ).execute(arguments: [state.rawValue, losses, message, now, id])
    try forgetProgress(id, db)
    try db.record(Event(.lost, at: now, batch: batch, job: id, worker: worker))
    switch state {
    case .failed:
      let detail = "set aside after \(losses) losses and \(attempts) attempts: \(message)"
      try db.record(Event(.failed, at: now, batch: batch, job: id, worker: worker, detail: detail))
    case .cancelled:
      try db.record(Event(.cancelled, at: now, batch: batch, job: id, worker: worker))
    case .queued, .running, .done: break
    }
  }

  /// Lets jobs whose run-after time has come, and models whose hold is over, into the index of the claim.
  private func releaseDue(_ db: Database, _ now: Milliseconds) throws {
    try db.cachedStatement(
      sql: """
        UPDATE jobs INDEXED BY jobs_waiting SET run_after = NULL
        WHERE state = 'queued' AND run_after IS NOT NULL AND run_after <= ?
        """
    ).execute(arguments: [now])
    let models = try String.fetchAll(
      db.cachedStatement(sql: "SELECT name FROM models WHERE held_until IS NOT NULL AND held_until <= ?"),
      arguments: [now])
    for model in models { try release(model: model, db, now) }
  }

  /// The job whose turn it is. The indexes are named: SQLite, which doesn't know how many jobs are queued, would
  /// otherwise read all of them by their state.
  private static let headOfQueue = """
    WITH head AS MATERIALIZED (
      SELECT id, priority FROM jobs INDEXED BY jobs_due
      WHERE state = 'queued' AND run_after IS NULL AND held = 0 AND NOT (SELECT paused FROM queue)
      ORDER BY priority DESC, id LIMIT 1)
    """

  /// What becomes of a job that is claimed: by whom, until when, when.
  private static let taken = """
    state = 'running', attempts = attempts + 1, claims = claims + 1,
    lease_owner = ?1, lease_expires = ?2, started_at = ?3
    """

  private func claimRow(
    _ worker: String, expires: Milliseconds, _ preferredModels: [String], _ db: Database, _ now: Milliseconds
  ) throws -> Taking {
    let models = String(decoding: try JSONEncoder().encode(preferredModels), as: UTF8.self)
    func claim(_ change: String) throws -> Statement {
      try db.cachedStatement(
        sql: """
          \(Self.headOfQueue)
          UPDATE jobs SET \(change)
          WHERE id = (
            SELECT coalesce(
              (SELECT id FROM jobs INDEXED BY jobs_due_by_model
               WHERE state = 'queued' AND run_after IS NULL AND held = 0
                 AND priority = (SELECT priority FROM head)
                 AND model IN (SELECT value FROM json_each(?4))
                 AND id <= (SELECT id FROM head) + \(Self.overtakingWindow)
               ORDER BY id LIMIT 1),
              (SELECT id FROM head)))
          RETURNING id, batch, claims
          """)
    }
    do {
      return Taking(try Row.fetchOne(try claim(Self.taken), arguments: [worker, expires, now, models]))
    } catch let error as DatabaseError where Self.isOfOneRow(error) {
      // Numbers that no program writes, so that it cannot even be claimed: it must not stop the queue.
      let change = """
        state = 'failed', attempts = min(attempts, max_attempts), finished_at = ?3, error = ?1,
        error_kind = 'bad_input'
        """
      let message = "its row cannot be right: \(error.message ?? "a constraint fails")"
      _ = try Row.fetchOne(try claim(change), arguments: [message, expires, now, models])
      return .failed
    }
  }

  /// Whether an error is that of the values of a row, rather than of a trigger or a table.
  private static func isOfOneRow(_ error: DatabaseError) -> Bool {
    // SQLITE_CONSTRAINT_DATATYPE: a number beyond 64 bits is none that the column takes.
    error.extendedResultCode == .SQLITE_CONSTRAINT_CHECK || error.extendedResultCode.rawValue == 3091
  }

  private func companionRow(
    of request: RenderRequest, _ worker: String, expires: Milliseconds, _ db: Database, _ now: Milliseconds
  ) throws -> Taking {
    let claim = try db.cachedStatement(
      sql: """
        \(Self.headOfQueue)
        UPDATE jobs SET \(Self.taken)
        WHERE id = (
          SELECT id FROM jobs INDEXED BY jobs_due_by_model
          WHERE state = 'queued' AND run_after IS NULL AND held = 0
            AND priority = (SELECT priority FROM head)
            AND model = ?4 AND id <= (SELECT id FROM head) + \(Self.overtakingWindow)
            AND width IS ?5 AND height IS ?6 AND precision = ?7 AND vae IS ?8 AND loras = ?9 AND losses = 0
            AND memory_budget IS ?10
            -- A size that nobody gave may be that of a starting picture, which is not known yet.
            AND (?5 IS NOT NULL AND ?6 IS NOT NULL OR init_image IS NULL AND ?11 IS NULL)
          ORDER BY id LIMIT 1)
        RETURNING id, batch, claims
        """)
    return Taking(
      try Row.fetchOne(
        claim,
        arguments: [
          worker, expires, now, request.model, request.width, request.height, request.precision.rawValue,
          request.vae, request.loras.stored.databaseValue, request.memoryBudget?.bytes, request.initImage,
        ]))
  }

  /// One job with all its columns.
  func job(_ id: Int64, _ db: Database) throws -> JobRecord {
    let row = try Row.fetchOne(
      db.cachedStatement(
        sql: "SELECT \(JobRecord.columns) FROM jobs j JOIN batches b ON b.id = j.batch WHERE j.id = ?"),
      arguments: [id])
    guard let row else {
      // Without its batch it is not found either.
      let batch = try Int64.fetchOne(db, sql: "SELECT batch FROM jobs WHERE id = ?", arguments: [id])
      guard let batch else { throw JobStoreError.notFound(thing: "job", id: "\(id)") }
      throw JobStoreError.damagedRow(table: "jobs", column: "batch", value: "\(batch)")
    }
    return try JobRecord(row: row)
  }

  /// Progress is about an attempt; the next one starts afresh.
  func forgetProgress(_ job: Int64, _ db: Database) throws {
    try db.cachedStatement(sql: "DELETE FROM progress WHERE job = ?").execute(arguments: [job])
  }
}
