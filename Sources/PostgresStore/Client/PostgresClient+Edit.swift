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
      _ = try link.answer(to: "SET LOCAL idle_in_transaction_session_timeout = '5s'")
      _ = try link.answer(to: "SELECT hold_still($1::bigint)", [.integer(id)])
      let edit = try planned(id, change, link)
      guard !edit.changes.isEmpty else {
        if let made, made.request == edit.request { return made }
        return edit
      }
      let columns = JobRequest.columns.enumerated().map { "\($1) = $\($0 + 2)" }.joined(separator: ", ")
      _ = try link.answer(
        to: "UPDATE jobs SET \(columns) WHERE id = $1::bigint",
        [.integer(id)] + edit.request.values.map { ServerValue($0) })
      _ = try link.answer(
        to: "SELECT end_edit($1::bigint, $2::text)", [.integer(id), .text(PlainText.line(edit.text))])
      made = edit
      return edit
    }
  }

  /// What `edit` would change.
  package func plannedEdit(job id: Int64, _ change: (inout JobRequest) throws -> Void) throws -> JobEdit {
    try connection.transaction { link in try planned(id, change, link) }
  }

  private func planned(
    _ id: Int64, _ change: (inout JobRequest) throws -> Void, _ link: ServerLink
  ) throws -> JobEdit {
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
    guard request.render.takeSources().isEmpty else {
      throw JobStoreError.notOnServer(what: "a model of a hub, which a daemon would fetch,")
    }
    return JobEdit(from: job.request, to: request)
  }
}
