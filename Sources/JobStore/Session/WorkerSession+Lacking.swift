import Boundary
import Foundation
import GRDB

/// What this worker cannot load but others perhaps can: models, and the files that jobs add to them.
extension WorkerSession {
  /// What a worker lacks, by its names in jobs.
  package struct Lacked: Sendable, Equatable {
    package var models: Set<String>
    /// LoRAs, VAEs and learned words.
    package var files: Set<String>

    /// By default nothing.
    package init(models: Set<String> = [], files: Set<String> = []) {
      self.models = models
      self.files = files
    }

    package var isEmpty: Bool { models.isEmpty && files.isEmpty }

    /// Why a job fails: what is missing, and what each worker that was asked says of it.
    /// - Parameters:
    ///   - name: of a model or a file, as jobs name it.
    ///   - isModel: whether it is a model.
    ///   - patience: seconds for which nobody had it.
    ///   - answers: of every worker that was asked.
    package static func message(
      _ name: String, isModel: Bool, _ patience: Double, _ answers: [(worker: String, reason: String)]
    ) -> String {
      let shown = answers.prefix(8).map { "\($0.worker): \($0.reason)" }.joined(separator: "; ")
      let more = answers.count > 8 ? "; and \(answers.count - 8) more" : ""
      let time = patience > 0 ? " for \(Int(patience.rounded())) s" : ""
      return
        "no living worker has had \(isModel ? "its model" : "its file") \(name)\(time): asked \(shown)\(more)"
    }
  }

  /// Gives a job back because this worker lacks its model, or a file that it adds to it. The attempt does not count, and
  /// other workers may still take such jobs. If the job's cancellation was requested, it is cancelled.
  /// - Parameters:
  ///   - thing: the name of the model or file in the job.
  ///   - reason: why it cannot be loaded, in words.
  ///   - lease: of the job.
  /// - Throws: `JobStoreError.leaseLost`
  package func lack(_ thing: String, reason: String, _ lease: Lease) throws {
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
          """, arguments: [name, thing, now, reason])
    }
    drop(lease)
  }

  /// Notes that the files of something lacked have changed, so that this worker may soon have it.
  package func expect(_ thing: String) throws {
    try database.write { db, now in
      try db.execute(
        sql: "UPDATE lacking_models SET since = ? WHERE worker = ? AND model = ?",
        arguments: [now, name, thing])
    }
  }

  /// How many jobs of one model and priority are looked at for one that needs nothing lacked.
  private static let window = 4096

  /// The next job that this worker can render. Jobs of lacked models are skipped by model, not one by one. Jobs that
  /// need what no live worker has had for `patience` seconds fail.
  /// - Parameter hasGivenUp: set if some jobs have failed; there may be more of them.
  /// - Returns: the job's number; nil if there is none.
  func head(
    avoiding lacked: Lacked, preferring preferred: [String], patience: Double,
    _ hasGivenUp: inout Bool, _ db: Database, _ now: Milliseconds
  ) throws -> Int64? {
    let due = Transition[.claim].condition
    let priorities = try db.cachedStatement(
      sql: """
        SELECT priority FROM jobs INDEXED BY jobs_due WHERE \(due) AND priority < :below
        ORDER BY priority DESC LIMIT 1
        """)
    let models = try db.cachedStatement(
      sql: """
        SELECT model, id FROM jobs INDEXED BY jobs_due_by_model
        WHERE \(due) AND priority = :priority AND model > :last ORDER BY model, id LIMIT 1
        """)
    let hopeless = try hopeless(among: lacked, after: patience, db, now)
    var priority = Int64.max
    while let next = try Int64.fetchOne(
      priorities, arguments: ["below": priority, "numerics": record.numerics])
    {
      priority = next
      var heads: [(model: String, id: Int64)] = []
      var last = ""
      while let row = try Row.fetchOne(
        models, arguments: ["priority": priority, "last": last, "numerics": record.numerics])
      {
        let reader = RowReader(row: row, table: "jobs")
        last = try reader.value("model")
        let failed = try giveUp(hopeless, model: last, priority: priority, db, now)
        hasGivenUp = hasGivenUp || failed
        if lacked.models.contains(last) { continue }
        if lacked.files.isEmpty {
          heads.append((last, try reader.value("id")))
        } else if let id = try first(of: last, priority: priority, without: lacked.files, db) {
          heads.append((last, id))
        }
      }
      guard let first = heads.map(\.id).min() else { continue }
      let near = heads.filter { preferred.contains($0.model) && $0.id <= first + Self.overtakingWindow }
      return near.map(\.id).min() ?? first
    }
    return nil
  }

  // MARK: - Files

  /// The condition in SQL for jobs that need one of the files in `:files`, a JSON array. A text that is no JSON needs
  /// none: the claim finds it wrong.
  static let needsFiles = """
    (vae IN (SELECT value FROM json_each(:files)) OR EXISTS (
      SELECT 1 FROM json_tree(iif(json_valid(loras), loras, '[]'))
      WHERE key = 'path' AND atom IN (SELECT value FROM json_each(:files))
    ) OR EXISTS (
      SELECT 1 FROM json_tree(iif(json_valid(embeddings), embeddings, '[]'))
      WHERE key = 'path' AND atom IN (SELECT value FROM json_each(:files))))
    """

  /// The first due jobs of a model and priority.
  private static let near = """
    SELECT id, vae, loras, embeddings FROM jobs INDEXED BY jobs_due_by_model
    WHERE \(Transition[.claim].condition) AND priority = :priority AND model = :model ORDER BY id LIMIT \(window)
    """

  /// A JSON array of names.
  static func list(_ names: some Sequence<String>) throws -> String {
    String(decoding: try JSONEncoder().encode(names.sorted()), as: UTF8.self)
  }

  private func first(
    of model: String, priority: Int64, without files: Set<String>, _ db: Database
  ) throws -> Int64? {
    try Int64.fetchOne(
      db.cachedStatement(
        sql: "SELECT id FROM (\(Self.near)) WHERE ifnull(NOT \(Self.needsFiles), 1) ORDER BY id LIMIT 1"),
      arguments: [
        "priority": priority, "model": model, "files": Self.list(files), "numerics": record.numerics,
      ])
  }

  // MARK: - Giving up

  /// Something that no live worker has.
  private struct Hopeless {
    let name: String
    let isModel: Bool
    let message: String
  }

  /// What this worker and all other live ones have lacked for that long.
  private func hopeless(
    among lacked: Lacked, after patience: Double, _ db: Database, _ now: Milliseconds
  ) throws -> [Hopeless] {
    let since = now - patience.asMilliseconds
    var found: [Hopeless] = []
    for (name, isModel) in lacked.models.map({ ($0, true) }) + lacked.files.map({ ($0, false) }) {
      let rows = try Row.fetchAll(
        db.cachedStatement(
          sql: """
            SELECT w.name AS worker, l.since <= :since AS late, substr(l.reason, 1, 1000) AS reason
            FROM workers w LEFT JOIN lacking_models l ON l.worker = w.name AND l.model = :name
            WHERE w.name = :me OR state <> 'stopped'
              AND heartbeat_at > :now - :limit AND heartbeat_at < :now + :limit
            ORDER BY w.name <> :me, w.name LIMIT 1000
            """),
        arguments: [
          "me": self.name, "now": now, "limit": WorkerRecord.heartbeatLimit, "name": name, "since": since,
        ])
      let answers = try rows.map { row in
        let reader = RowReader(row: row, table: "lacking_models")
        return (
          worker: try reader.value("worker", as: String.self),
          isLate: try reader.optional("late", as: Bool.self) ?? false,
          reason: try reader.optional("reason", as: String.self) ?? ""
        )
      }
      guard answers.first?.worker == self.name, answers.allSatisfy(\.isLate) else { continue }
      found.append(
        Hopeless(
          name: name, isModel: isModel,
          message: Lacked.message(name, isModel: isModel, patience, answers.map { ($0.worker, $0.reason) })))
    }
    return found
  }

  /// Fails due jobs of a model that need what nobody has, some at a time.
  /// - Returns: whether any failed.
  private func giveUp(
    _ hopeless: [Hopeless], model: String, priority: Int64, _ db: Database, _ now: Milliseconds
  ) throws -> Bool {
    var hasFailed = false
    for thing in hopeless where !thing.isModel || thing.name == model {
      var values: [String: (any DatabaseValueConvertible)?] = [
        "priority": priority, "model": model, "numerics": record.numerics,
      ]
      if !thing.isModel { values["files"] = try Self.list([thing.name]) }
      let condition = thing.isModel ? "1" : Self.needsFiles
      let jobs = try Int64.fetchAll(
        db.cachedStatement(
          sql: "SELECT id FROM (\(Self.near)) WHERE \(condition) ORDER BY id LIMIT \(Self.failuresAtOnce)"),
        arguments: StatementArguments(values))
      // Who names a model that nobody has may mean one that is to come; a file beside it is named in the request alone.
      let kind: FailureKind = thing.isModel ? .model : .badInput
      for job in jobs {
        try db.move(
          .giveUp, .job(job), at: now, ["worker": name, "error": thing.message, "kind": kind.rawValue],
          details: [.failed: thing.message])
      }
      hasFailed = hasFailed || !jobs.isEmpty
    }
    return hasFailed
  }
}
