import Boundary
import GRDB
import JobStore

/// How an attempt ends.
extension PostgresSession {
  /// Records that a job is done. Said again with the same lease it is no error.
  package func finish(
    _ lease: Lease, images: [ImageRecord], statistics: RenderStatistics, modelDigest: String?
  ) throws {
    let row = try database.row(
      """
      SELECT verdict, expected FROM finish_job($1::bigint, $2::bigint, $3::jsonb, $4::text, $5::bigint, $6::bigint,
        $7::bigint, $8::bigint, $9::bigint, $10::bigint, $11::bigint)
      """,
      [
        .integer(lease.job), .integer(lease.claim), try .json(images.map(FinishedPicture.init)),
        .text(modelDigest), .integer(statistics.cacheHits), .integer(statistics.cacheMisses),
        .integer(statistics.cacheEvictions), .integer(statistics.cacheBypasses),
        .integer(statistics.bytesRead), .integer(statistics.stall), .integer(statistics.peakBytes),
      ])
    let reader = RowReader(row: row, table: "jobs")
    switch try reader.value("verdict", as: String.self) {
    case "done": held.remove(lease)
    case "wrong_images":
      throw JobStoreError.wrongImages(
        job: lease.job, expected: try reader.value("expected"), found: images.count)
    default: throw JobStoreError.leaseLost(job: lease.job, worker: lease.worker)
    }
  }

  /// Records that an attempt failed. Said again with the same lease it answers the same.
  @discardableResult
  package func fail(
    _ lease: Lease, message: String, kind: FailureKind, backoff: Backoff
  ) throws -> FailureOutcome {
    let attempts = try database.connection.rows(
      "SELECT attempts FROM job_rows WHERE id = $1::bigint", [.integer(lease.job)]
    ).first.map { try RowReader(row: $0, table: "jobs").value("attempts", as: Int.self) }
    let row = try database.row(
      "SELECT verdict, until FROM fail_job($1::bigint, $2::bigint, $3::text, $4::text, $5::bigint)",
      [
        .integer(lease.job), .integer(lease.claim), .text(PlainText.line(message)), .text(kind.rawValue),
        .integer(backoff.pause(afterAttempts: attempts ?? 1)),
      ])
    let reader = RowReader(row: row, table: "jobs")
    let outcome: FailureOutcome =
      switch try reader.value("verdict", as: String.self) {
      case "retrying": .retrying(after: try reader.value("until"))
      case "failed": .failed
      case "cancelled": .cancelled
      default: throw JobStoreError.leaseLost(job: lease.job, worker: lease.worker)
      }
    held.remove(lease)
    return outcome
  }

  /// Gives a job back; the attempt does not count.
  package func giveBack(_ lease: Lease) throws {
    try end(lease, "give_back($1::bigint, $2::bigint)", [])
  }

  /// Records that the worker stopped rendering a cancelled job.
  package func cancelled(_ lease: Lease) throws {
    try end(lease, "end_lease($1::bigint, $2::bigint, 'cancelled', NULL, NULL)", [])
  }

  /// Fails a job whose row is wrong.
  package func refuse(_ lease: Lease, message: String) throws {
    try end(
      lease, "end_lease($1::bigint, $2::bigint, 'failed', $3::text, $4::text)",
      [.text(PlainText.line(message)), .text(FailureKind.badInput.rawValue)])
  }

  /// Calls a function that ends a lease and answers whether it was held.
  /// - Throws: `JobStoreError.leaseLost`
  func end(_ lease: Lease, _ call: String, _ values: [ServerValue]) throws {
    let row = try database.row(
      "SELECT \(call) AS answer", [.integer(lease.job), .integer(lease.claim)] + values)
    guard try RowReader(row: row, table: "leases").value("answer") else {
      throw JobStoreError.leaseLost(job: lease.job, worker: lease.worker)
    }
    held.remove(lease)
  }
}
