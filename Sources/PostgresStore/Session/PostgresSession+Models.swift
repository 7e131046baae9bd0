import Boundary
import GRDB
import JobStore
import Requests

/// Models that are here and models that are not. The queue keeps no list of them.
extension PostgresSession {
  /// Each job goes through the model alone.
  package func claimCompanion(
    of request: RenderRequest, limits: RenderLimits, without files: Set<String>, waits: Bool
  ) throws -> ClaimedJob? { nil }

  /// Gives a job back whose model is not here: this worker leaves such jobs to others. One that lacks another file is
  /// tried again, here or elsewhere, while it has attempts.
  package func lack(_ thing: String, reason: String, _ lease: Lease) throws {
    let rows = try database.connection.rows(
      "SELECT model FROM jobs WHERE id = $1::bigint", [.integer(lease.job)])
    let model: String? = try rows.first.map { try RowReader(row: $0, table: "jobs").value("model") }
    guard model == thing else {
      try fail(lease, message: reason, kind: .transient, backoff: Backoff())
      return
    }
    try giveBack(lease)
    _ = try database.connection.rows(
      """
      UPDATE jobs SET error = $1::text, error_kind = 'model'
      WHERE id = $2::bigint AND last_token = $3::bigint AND outcome IS NULL
      """, [.text(PlainText.line(reason)), .integer(lease.job), .integer(lease.claim)])
  }

  /// Nobody waits here for a file.
  package func expect(_ thing: String) throws {}

  /// Nobody asks here which models there are.
  package func register(_ model: ModelRecord, loaded: Bool, with files: [String]) throws {}

  /// Nobody asks here which models there are.
  package func declare(_ found: [ModelRecord], areAll: Bool) throws {}

  /// Nobody asks here which models there are.
  package func hasDeclared(_ count: Int, areAll: Bool) throws -> Bool { true }

  /// No job waits here for a hub.
  package func isAwaitingSources() throws -> Bool { false }

  /// No job waits here for a hub.
  package func takeLocalSources(_ isHere: (String) -> Bool) throws -> [String] { [] }
}
