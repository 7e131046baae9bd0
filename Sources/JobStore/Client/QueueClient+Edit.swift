import GRDB
import Requests

extension QueueClient {
  /// Changes the settings of a job that waits and has not begun: nothing that was rendered may come to belong to settings
  /// that it was not made with. The job is as one just queued: it waits for what it names of a hub, and has all its
  /// attempts. No worker can take it between the look and the change.
  ///
  /// The fingerprint of its batch stays that of what was asked for first: the batch's key still answers for that.
  /// - Parameters:
  ///   - id: the job's number.
  ///   - change: gets the request, and makes it another.
  /// - Throws: `JobStoreError.notFound`, `.notEditable`, `RequestError`, and what `change` throws.
  package func edit(job id: Int64, _ change: (inout JobRequest) throws -> Void) throws -> JobEdit {
    try database.write { db, now in
      var (edit, sources) = try planned(id, change, db)
      guard !edit.changes.isEmpty else { return edit }
      let wanted = try db.link(job: id, to: sources, at: now)
      edit.request.render.rename(wanted)
      let columns = zip(JobRequest.columns, edit.request.values).map { ("new_\($0)", $1.databaseValue) }
      guard
        try db.move(
          .edit, .job(id), at: now, Dictionary(uniqueKeysWithValues: columns), details: [.edited: edit.text])
          > 0
      else { throw JobStoreError.notEditable(job: id, reason: "has begun") }
      try db.execute(
        sql: """
          UPDATE jobs SET held = held & ~\(Hold.model.rawValue | Hold.source.rawValue)
            | iif(model IN (SELECT name FROM models WHERE held_until IS NOT NULL), \(Hold.model.rawValue), 0)
            | iif(EXISTS (SELECT 1 FROM job_sources js JOIN sources s ON s.id = js.source
                WHERE js.job = jobs.id AND s.state <> 'ready'), \(Hold.source.rawValue), 0)
          WHERE id = ?
          """, arguments: [id])
      edit.sources = try db.sources(ofJob: id).filter { $0.state != .ready }
      return edit
    }
  }

  /// What `edit` would change. What it would wait for is not said.
  /// - Throws: as `edit`.
  package func plannedEdit(job id: Int64, _ change: (inout JobRequest) throws -> Void) throws -> JobEdit {
    try database.read { db in try planned(id, change, db).edit }
  }

  private func planned(
    _ id: Int64, _ change: (inout JobRequest) throws -> Void, _ db: Database
  ) throws -> (edit: JobEdit, sources: [WantedSource]) {
    let job = try db.job(id)
    guard job.state == .queued else {
      throw JobStoreError.notEditable(job: id, reason: "is \(job.state.rawValue)")
    }
    let obstacles: [(Transition.Guard, String)] = [
      (.isHere, "is in shards"), (.isUntouched, "has pictures or saved steps already"),
    ]
    for (condition, reason) in obstacles {
      let holds = try Bool.fetchOne(
        db, sql: "SELECT \(condition.sql) FROM jobs WHERE id = ?", arguments: [id])
      guard holds == true else { throw JobStoreError.notEditable(job: id, reason: reason) }
    }
    var request = job.request
    try change(&request)
    try request.validate()
    let sources = request.render.takeSources()
    return (JobEdit(from: job.request, to: request), sources)
  }
}

extension Database {
  /// Makes a job wait for these sources and no others. A source that its batch has already is shared, at the commit that
  /// it was found at; one that could not be had is wanted once more.
  /// - Returns: the names that sources have by now, by what the request says.
  fileprivate func link(job: Int64, to wanted: [WantedSource], at now: Milliseconds) throws -> [String:
    String]
  {
    try execute(sql: "DELETE FROM job_sources WHERE job = ?", arguments: [job])
    var names: [String: String] = [:]
    for source in wanted {
      let which: StatementArguments = [
        "job": job, "use": source.use.rawValue, "source": source.text, "now": now,
      ]
      let batch = "batch = (SELECT batch FROM jobs WHERE id = :job)"
      let known =
        "SELECT id, name FROM sources WHERE \(batch) AND use = :use AND (source = :source OR name = :source)"
      if try Row.fetchOne(self, sql: known, arguments: which) == nil {
        try execute(
          sql: """
            INSERT INTO sources (batch, source, use, created_at, updated_at)
            SELECT batch, :source, :use, :now, :now FROM jobs WHERE id = :job
            """, arguments: which)
      }
      guard let row = try Row.fetchOne(self, sql: known, arguments: which) else { continue }
      let reader = RowReader(row: row, table: "sources")
      let id: Int64 = try reader.value("id")
      names[source.text] = try reader.optional("name") ?? source.text
      try execute(
        sql: """
          UPDATE sources SET state = 'wanted', tries = 0, not_before = NULL, error = NULL, updated_at = ?
          WHERE id = ? AND state = 'failed'
          """, arguments: [now, id])
      try execute(
        sql: "INSERT OR IGNORE INTO job_sources (job, source) VALUES (?, ?)", arguments: [job, id])
    }
    // What a fetcher has taken once keeps its row: its number must not become another's.
    try execute(
      sql: """
        DELETE FROM sources WHERE batch = (SELECT batch FROM jobs WHERE id = ?) AND claims = 0
          AND NOT EXISTS (SELECT 1 FROM job_sources WHERE source = sources.id)
        """, arguments: [job])
    return names
  }
}

extension RenderRequest {
  /// Writes other names of sources in the place of those that it says.
  package mutating func rename(_ names: [String: String]) {
    model = names[model] ?? model
    changeFiles { file, text in file.use == nil ? text : names[text] ?? text }
  }
}
