import Foundation
import GRDB
import Requests

extension WorkerSession {
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
  ///   - preferredModels: Models in memory, as jobs name them; see `overtakingWindow`.
  ///   - limits: What a request may ask for.
  /// - Returns: Nil when nothing is due.
  package func claim(
    preferredModels: [String] = [], limits: RenderLimits = RenderLimits()
  ) throws -> ClaimedJob? {
    try untilValid { db, now in
      try freeExpired(db, now)
      try releaseDue(db, now)
      return try firstValid(limits, db, now) { try claimRow(preferredModels, db, now) }
    }
  }

  /// Takes a further job that can go through its model together with one at work: of the same model, weights
  /// and size. Whose turn it is counts as at a claim that prefers this model. One that has lost a worker goes
  /// alone: should it kill the next, it must not take others with it.
  /// - Parameters:
  ///   - request: Of the job at work, as it was claimed.
  ///   - limits: What a request may ask for.
  /// - Returns: Nil when there is none.
  package func claimCompanion(
    of request: RenderRequest, limits: RenderLimits = RenderLimits()
  ) throws -> ClaimedJob? {
    try untilValid { db, now in
      try firstValid(limits, db, now) { try companionRow(of: request, db, now) }
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
    /// Claimed: its id and claim.
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
      switch try database.write(turn) {
      case .claimed(let job):
        hold(job.lease)
        return job
      case .nothing: return nil
      case .unfinished: continue
      }
    }
  }

  /// The first claimed job that can be right; those that cannot have failed.
  private func firstValid(
    _ limits: RenderLimits, _ db: Database, _ now: Milliseconds,
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
      let lease = Lease(job: id, worker: name, claim: try reader.value("claims"))
      do {
        let job = try db.job(id)
        try job.request.validate(limits: limits)
        try db.record(
          Event(
            .claimed, at: now, batch: job.batch, job: id, worker: name,
            detail: "attempt \(job.attempts) of \(job.request.maxAttempts)"))
        return .claimed(ClaimedJob(lease: lease, job: job))
      } catch let error where error is JobStoreError || error is RequestError {
        try refuse(id, "\(error)", db, now)
      }
    }
    return .unfinished
  }

  /// When `claim` may find something that no commit announces: a run-after time, a lease, or a model's hold
  /// that runs out. Nil: never. Wake at this time, or when `dataVersion` changes.
  package func nextDue() throws -> Milliseconds? {
    try database.read { db in
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
    try Self.free(
      Int64.fetchAll(
        db.cachedStatement(
          sql: "SELECT id FROM jobs INDEXED BY jobs_leased WHERE state = 'running' AND lease_expires <= ?"),
        arguments: [now]), db, now)
  }

  /// Ends the attempts of jobs whose workers are gone.
  /// - Parameter restarted: the worker that signs on anew; nil: those whose leases have run out.
  static func free(_ jobs: [Int64], restarted: String? = nil, _ db: Database, _ now: Milliseconds) throws {
    for id in jobs {
      let row = try Row.fetchOne(
        db.cachedStatement(sql: "SELECT lease_owner, losses, attempts FROM jobs WHERE id = ?"),
        arguments: [id])
      guard let row else { continue }
      let reader = RowReader(row: row, table: "jobs")
      let worker: String? = try reader.optional("lease_owner")
      let losses = min(try reader.value("losses", as: Int.self), 1000) + 1
      let message =
        "worker \(worker ?? "?") vanished while rendering it (crash, kill or hang), \(losses) times so far"
      let setAside =
        "set aside after \(losses) losses and \(try reader.value("attempts", as: Int.self)) attempts: \(message)"
      // Whichever its guards allow.
      for name in [Transition.Name.cancelLost, .requeueLost, .failLost]
      where try db.move(
        name, .job(id), at: now,
        ["worker": worker, "restarted": restarted, "error": message, "kind": FailureKind.lost.rawValue],
        details: [.failed: setAside]) > 0
      { break }
      try db.cachedStatement(sql: "DELETE FROM progress WHERE job = ?").execute(arguments: [id])
    }
  }

  /// Ends a job whose row cannot be right.
  private func refuse(_ job: Int64, _ message: String, _ db: Database, _ now: Milliseconds) throws {
    try db.move(
      .refuse, .job(job), at: now,
      ["worker": name, "error": message, "kind": FailureKind.badInput.rawValue], details: [.failed: message])
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
    for model in models { try db.release(model: model, at: now) }
  }

  /// The job whose turn it is. The indexes are named: SQLite, which doesn't know how many jobs are queued, would
  /// otherwise read all of them by their state.
  private static let headOfQueue = """
    WITH head AS MATERIALIZED (
      SELECT id, priority FROM jobs INDEXED BY jobs_due
      WHERE \(Transition[.claim].condition)
      ORDER BY priority DESC, id LIMIT 1)
    """

  private func claimRow(
    _ preferredModels: [String], _ db: Database, _ now: Milliseconds
  ) throws -> Taking {
    let models = String(decoding: try JSONEncoder().encode(preferredModels), as: UTF8.self)
    let next = """
      SELECT coalesce(
        (SELECT id FROM jobs INDEXED BY jobs_due_by_model
         WHERE \(Transition[.claim].condition)
           AND priority = (SELECT priority FROM head)
           AND model IN (SELECT value FROM json_each(:models))
           AND id <= (SELECT id FROM head) + \(Self.overtakingWindow)
         ORDER BY id LIMIT 1),
        (SELECT id FROM head)) AS id
      """
    do {
      return Taking(
        try Row.fetchOne(
          db.cachedStatement(
            sql: """
              \(Self.headOfQueue)
              UPDATE jobs SET \(Transition[.claim].assignments) WHERE id = (\(next)) RETURNING id, claims
              """), arguments: taking(now, ["models": models])))
    } catch let error as DatabaseError where Self.isOfOneRow(error) {
      // Numbers that no program writes, so that it cannot even be claimed: it must not stop the queue.
      let id = try Int64.fetchOne(
        db.cachedStatement(sql: "\(Self.headOfQueue) \(next)"), arguments: ["models": models])
      if let id {
        try refuse(id, "its row cannot be right: \(error.message ?? "a constraint fails")", db, now)
      }
      return .failed
    }
  }

  /// The arguments of a claim.
  private func taking(
    _ now: Milliseconds, _ values: [String: (any DatabaseValueConvertible)?]
  ) -> StatementArguments {
    StatementArguments(
      values.merging(["worker": name, "expires": now + leaseSeconds.asMilliseconds, "now": now]) { $1 })
  }

  /// Whether an error is that of the values of a row, rather than of a trigger or a table.
  private static func isOfOneRow(_ error: DatabaseError) -> Bool {
    // SQLITE_CONSTRAINT_DATATYPE: a number beyond 64 bits is none that the column takes.
    error.extendedResultCode == .SQLITE_CONSTRAINT_CHECK || error.extendedResultCode.rawValue == 3091
  }

  private func companionRow(
    of request: RenderRequest, _ db: Database, _ now: Milliseconds
  ) throws -> Taking {
    let claim = try db.cachedStatement(
      sql: """
        \(Self.headOfQueue)
        UPDATE jobs SET \(Transition[.claim].assignments)
        WHERE id = (
          SELECT id FROM jobs INDEXED BY jobs_due_by_model
          WHERE \(Transition[.claim].condition)
            AND priority = (SELECT priority FROM head)
            AND model = :model AND id <= (SELECT id FROM head) + \(Self.overtakingWindow)
            AND width IS :width AND height IS :height AND precision = :precision AND vae IS :vae
            AND loras = :loras AND losses = 0 AND memory_budget IS :budget
            -- A size that nobody gave may be that of a starting picture, which is not known yet.
            AND (:width IS NOT NULL AND :height IS NOT NULL OR init_image IS NULL AND :picture IS NULL)
          ORDER BY id LIMIT 1)
        RETURNING id, claims
        """)
    return Taking(
      try Row.fetchOne(
        claim,
        arguments: taking(
          now,
          [
            "model": request.model, "width": request.width, "height": request.height,
            "precision": request.precision.rawValue, "vae": request.vae,
            "loras": request.loras.stored.databaseValue, "budget": request.memoryBudget?.bytes,
            "picture": request.initImage,
          ])))
  }
}
