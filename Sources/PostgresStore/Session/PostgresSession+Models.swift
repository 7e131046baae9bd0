import Boundary
import GRDB
import JobStore
import Requests

/// Models that are not here.
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
    let reason = PlainText.line(reason)
    _ = try database.connection.rows(
      "SELECT note_lack($1::text, $2::text, $3::text)", [.text(name), .text(thing), .text(reason)])
    _ = try database.connection.rows(
      """
      UPDATE jobs SET error = $1::text, error_kind = 'model'
      WHERE id = $2::bigint AND last_token = $3::bigint AND outcome IS NULL
      """, [.text(reason), .integer(lease.job), .integer(lease.claim)])
  }

  /// No job waits here for a hub.
  package func isAwaitingSources() throws -> Bool { false }

  /// No job waits here for a hub.
  package func takeLocalSources(_ isHere: (String) -> Bool) throws -> [String] { [] }
}
