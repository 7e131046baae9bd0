import Boundary
import GRDB
import JobStore
import Requests

extension PostgresClient {
  /// Changes the settings of a job that waits and has not begun. No worker can take it between the look and the change.
  package func edit(job id: Int64, _ change: (inout JobRequest) throws -> Void) throws -> JobEdit {
    // If the answer is lost, the same call finds the job as it has made it.
    var made: JobEdit?
    return try connection.transaction { link in
      // A client that stops in the middle must not keep the row still for long: upkeep waits for it.
      try link.boundIdleness()
      _ = try link.answer(to: "SELECT hold_still($1::bigint)", [.integer(id)])
      var (edit, sources) = try planned(id, change, link)
      guard !edit.changes.isEmpty else {
        if let made, made.request == edit.request { return made }
        return edit
      }
      edit.request.render.rename(try self.link(job: id, to: sources, link))
      let columns = JobRequest.columns.enumerated().map { "\($1) = $\($0 + 2)" }.joined(separator: ", ")
      _ = try link.answer(
        to: "UPDATE jobs SET \(columns) WHERE id = $1::bigint",
        [.integer(id)] + edit.request.values.map { ServerValue($0) })
      _ = try link.answer(
        to: "SELECT end_edit($1::bigint, $2::text)", [.integer(id), .text(PlainText.line(edit.text))])
      edit.sources = try link.answer(to: Self.sourcesOfJob, [.integer(id)]).rows
        .map { try SourceRecord(row: $0) }.filter { $0.state != .ready }
      made = edit
      return edit
    }
  }

  /// What `edit` would change.
  package func plannedEdit(job id: Int64, _ change: (inout JobRequest) throws -> Void) throws -> JobEdit {
    try connection.transaction { link in try planned(id, change, link).edit }
  }

  private func planned(
    _ id: Int64, _ change: (inout JobRequest) throws -> Void, _ link: ServerLink
  ) throws -> (edit: JobEdit, sources: [WantedSource]) {
    let rows = try link.answer(
      to: """
        SELECT *, EXISTS (SELECT 1 FROM checkpoints WHERE job = $1::bigint)
          OR EXISTS (SELECT 1 FROM images WHERE job = $1::bigint)
          OR EXISTS (SELECT 1 FROM former_images WHERE job = $1::bigint) AS is_touched
        FROM job_rows WHERE id = $1::bigint
        """, [.integer(id)]
    ).rows
    guard let row = rows.first else { throw JobStoreError.notFound(thing: "job", id: "\(id)") }
    let job = try JobRecord(row: row)
    guard job.state == .queued else {
      throw JobStoreError.notEditable(job: id, reason: "is \(job.state.rawValue)")
    }
    guard !job.isInShards else { throw JobStoreError.notEditable(job: id, reason: "is in shards") }
    guard try !RowReader(row: row, table: "jobs").value("is_touched", as: Bool.self) else {
      throw JobStoreError.notEditable(job: id, reason: "has pictures or saved steps already")
    }
    var request = job.request
    try change(&request)
    try request.validate()
    let sources = request.render.takeSources()
    return (JobEdit(from: job.request, to: request), sources)
  }

  /// Makes a job wait for these sources and no others.
  /// - Returns: the names that they have by now, by what the request says.
  private func link(job: Int64, to wanted: [WantedSource], _ link: ServerLink) throws -> [String: String] {
    let rows = try link.answer(
      to: "SELECT asked, exact FROM link_job($1::bigint, $2::text[], $3::text[])",
      [.integer(job), .texts(wanted.map(\.text)), .texts(wanted.map(\.use.rawValue))]
    ).rows
    return try rows.reduce(into: [:]) { names, row in
      let reader = RowReader(row: row, table: "sources")
      names[try reader.value("asked", as: String.self)] = try reader.value("exact", as: String.self)
    }
  }
}
