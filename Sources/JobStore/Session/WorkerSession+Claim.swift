import Foundation
import GRDB
import Requests

extension WorkerSession {
  /// How far, in job numbers, a job whose model is loaded may overtake a job of the same priority whose model is not.
  /// So no job is overtaken by more than this many others.
  package static let overtakingWindow: Int64 = 256

  /// Takes the next job that is due and neither paused nor held: the highest priority first, then the lowest number.
  /// Jobs with expired leases are freed first. The attempt counts from now.
  ///
  /// A job whose row is impossible (edited by hand, or beyond `limits`) fails as bad input, and the next one is
  /// taken.
  /// - Parameters:
  ///   - preferredModels: models in memory, by the names in jobs; see `overtakingWindow`.
  ///   - lacked: models and files that this worker does not have. Their jobs are left to other workers.
  ///   - modelPatience: seconds after which a job fails if no live worker has had what it needs.
  ///   - numericsPatience: seconds that a job with a resume state waits for a worker of its class of numerics.
  ///   - limits: of a request.
  /// - Returns: nil if nothing is due.
  package func claim(
    preferredModels: [String] = [], avoiding lacked: Lacked = Lacked(), modelPatience: Double = 300,
    numericsPatience: Double = WorkerSession.usualNumericsPatience, limits: RenderLimits = RenderLimits()
  ) throws -> ClaimedJob? {
    try untilValid { db, now, isMended in
      guard try Int.fetchOne(db.cachedStatement(sql: "SELECT count(*) FROM queue")) == 1 else {
        throw JobStoreError.wrongRow(reason: "table queue has lost its one row")
      }
      try forgiveLateLeases(db, now)
      try countPausesAnew(db, now)
      try freeExpired(db, now)
      try releaseDue(db, now)
      try releaseNumerics(after: numericsPatience, db, now)
      var hasGivenUp = false
      let turn = try firstValid(limits, db, now) {
        try claimRow(db, now, refusing: isMended) { what in
          guard !lacked.isEmpty else { return try claim(preferredModels, db, now, what) }
          let head = try head(
            avoiding: lacked, preferring: preferredModels, patience: modelPatience, &hasGivenUp, db, now)
          return try head.flatMap {
            try Row.fetchOne(
              db.cachedStatement(sql: what.sql("SELECT :job")), arguments: taking(now, ["job": $0]))
          }
        }
      }
      // Some at a time: there may be more of them.
      if case .nothing = turn, hasGivenUp { return .unfinished }
      return turn
    }
  }

  /// Takes another job that can go through the model together with one at work: of the same model, weights and size.
  /// Its turn is decided as in a claim that prefers this model. A job that has lost a worker goes alone, because it
  /// might kill the next worker and must not take others with it.
  /// - Parameters:
  ///   - request: of the job at work, as it was claimed.
  ///   - limits: of a request.
  ///   - files: what this worker lacks; see `Lacked`.
  ///   - waits: whether to wait for the write lock. A render that is under way must not.
  /// - Returns: nil if there is none.
  /// - Throws: `JobStoreError.busy` if somebody has the lock.
  package func claimCompanion(
    of request: RenderRequest, limits: RenderLimits = RenderLimits(), without files: Set<String> = [],
    waits: Bool = true
  ) throws -> ClaimedJob? {
    try untilValid(waits: waits) { db, now, isMended in
      try firstValid(limits, db, now) {
        try claimRow(db, now, refusing: isMended) {
          try claimCompanion(of: request, without: files, db, now, $0)
        }
      }
    }
  }

  /// The result of one transaction of a claim.
  private enum Turn {
    case claimed(ClaimedJob)
    /// Nothing is due.
    case nothing
    /// There were only impossible jobs so far.
    case unfinished
  }

  /// The result of claiming the first row.
  private enum Taking {
    /// It was claimed: its id and claim.
    case row(Row)
    /// It could not be claimed and was failed.
    case failed
    /// There is no row.
    case nothing

    init(_ row: Row?) { self = row.map(Taking.row) ?? .nothing }
  }

  /// How many impossible jobs may fail in one transaction, so that a queue full of them does not block other writers.
  package static let failuresAtOnce = 100

  /// Takes turns until one is over. A wrong row is put right the first time that one is met; after that, the job that
  /// cannot be claimed ends.
  private func untilValid(
    waits: Bool = true, _ turn: (Database, Milliseconds, Bool) throws -> Turn
  ) throws -> ClaimedJob? {
    var isMended = false
    while true {
      do {
        let taken =
          try waits
          ? database.write { db, now in try turn(db, now, isMended) }
          : database.writeAtOnce { db, now in try turn(db, now, isMended) }
        switch taken {
        case .claimed(let job):
          database.forgetWaits()
          hold(job.lease)
          return job
        case .nothing:
          database.forgetWaits()
          return nil
        case .unfinished: continue
        }
      } catch let error as JobStoreError where error.mayBeMended && !isMended {
        try database.mend()
        isMended = true
      }
    }
  }

  /// The first valid job. Impossible ones before it are failed.
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
      guard QueueDatabase.numbers.contains(id) else {
        throw JobStoreError.wrongRow(reason: "job \(id) has a number that is never given")
      }
      do {
        try db.checkLengths(ofJob: id)
        let job = try db.job(id)
        try job.request.validate(limits: limits)
        try pinNumerics(ofBatch: job.batch, db)
        try db.record(
          Event(
            .claimed, at: now, batch: job.batch, job: id, worker: name,
            detail: "attempt \(job.attempts) of \(job.request.maxAttempts)"))
        return .claimed(ClaimedJob(lease: lease, job: job, places: try places(ofJob: id, db)))
      } catch let error where error is JobStoreError || error is RequestError {
        try refuse(id, "\(error)", db, now)
      }
    }
    return .unfinished
  }

  /// The job whose turn it is. The indexes are named, because SQLite does not know how many jobs are queued and would
  /// otherwise read all of them by state.
  private static let headOfQueue = """
    WITH head AS MATERIALIZED (
      SELECT id, priority FROM jobs INDEXED BY jobs_due
      WHERE \(Transition[.claim].condition)
      ORDER BY priority DESC, id LIMIT 1)
    """

  /// - Parameters:
  ///   - isMended: rows have been put right already: one that still cannot be claimed ends, so that it does not stop
  ///     the queue. Before that, its error comes through.
  ///   - claim: gets what to do with the one row that it chooses: `UPDATE jobs SET … WHERE id = (CHOICE)`.
  private func claimRow(
    _ db: Database, _ now: Milliseconds, refusing isMended: Bool, _ claim: (Choice) throws -> Row?
  ) throws -> Taking {
    do {
      return Taking(try claim(.take))
    } catch let error as DatabaseError where isMended && Self.isOfOneRow(error) {
      let row = try claim(.look)
      guard let id: Int64 = try row.flatMap({ try RowReader(row: $0, table: "jobs").optional("id") }) else {
        return .nothing
      }
      try db.clearLongTexts(ofJob: id)
      try refuse(id, "its row cannot be right: \(error.message ?? "a constraint fails")", db, now)
      return .failed
    }
  }

  /// What is done with the row whose turn it is.
  private enum Choice {
    case take, look

    func sql(_ choice: String) -> String {
      switch self {
      case .take:
        "UPDATE jobs SET \(Transition[.claim].assignments) WHERE id = (\(choice)) RETURNING id, claims"
      case .look: "SELECT (\(choice)) AS id"
      }
    }
  }

  private func claim(
    _ preferredModels: [String], _ db: Database, _ now: Milliseconds, _ what: Choice
  ) throws -> Row? {
    let models = String(decoding: try JSONEncoder().encode(preferredModels), as: UTF8.self)
    let next = """
      SELECT coalesce(
        (SELECT id FROM jobs INDEXED BY jobs_due_by_model
         WHERE \(Transition[.claim].condition)
           AND priority = (SELECT priority FROM head)
           AND model IN (SELECT value FROM json_each(:models))
           AND id <= (SELECT id FROM head) + \(Self.overtakingWindow)
         ORDER BY id LIMIT 1),
        (SELECT id FROM head))
      """
    return try Row.fetchOne(
      db.cachedStatement(sql: "\(Self.headOfQueue) \(what.sql(next))"),
      arguments: taking(now, ["models": models]))
  }

  /// The arguments of a claim.
  private func taking(
    _ now: Milliseconds, _ values: [String: (any DatabaseValueConvertible)?]
  ) -> StatementArguments {
    StatementArguments(
      values.merging([
        "worker": name, "numerics": record.numerics, "expires": now + leaseSeconds.asMilliseconds, "now": now,
      ]) { $1 })
  }

  /// Whether an error is that of the values of a row, rather than of a table.
  private static func isOfOneRow(_ error: DatabaseError) -> Bool {
    error.resultCode == .SQLITE_CONSTRAINT || error.resultCode == .SQLITE_TOOBIG
  }

  private func claimCompanion(
    of request: RenderRequest, without files: Set<String>, _ db: Database, _ now: Milliseconds, _ what: Choice
  ) throws -> Row? {
    let next = """
      SELECT id FROM jobs INDEXED BY jobs_due_by_model
      WHERE \(Transition[.claim].condition)
        AND priority = (SELECT priority FROM head)
        AND model = :model AND id <= (SELECT id FROM head) + \(Self.overtakingWindow)
        AND width IS :width AND height IS :height AND precision = :precision AND vae IS :vae
        AND deep_cache IS :deepCache AND loras = :loras AND memory_budget IS :budget
        AND losses = 0 AND furthest_step = 0
        -- A size that nobody gave may be that of a starting picture, which is not known yet.
        AND (:width IS NOT NULL AND :height IS NOT NULL OR init_image IS NULL AND :picture IS NULL)
        AND (:files = '[]' OR ifnull(NOT \(Self.needsFiles), 1))
      ORDER BY id LIMIT 1
      """
    return try Row.fetchOne(
      db.cachedStatement(sql: "\(Self.headOfQueue) \(what.sql(next))"),
      arguments: taking(
        now,
        [
          "model": request.model, "width": request.width, "height": request.height,
          "precision": request.precision.rawValue, "vae": request.vae, "deepCache": request.deepCache?.text,
          "loras": request.loras.stored.databaseValue, "budget": request.memoryBudget?.bytes,
          "picture": request.initImage, "files": Self.list(files),
        ]))
  }
}
