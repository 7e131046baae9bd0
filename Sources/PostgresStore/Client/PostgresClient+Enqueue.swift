import GRDB
import JobStore

extension PostgresClient {
  /// Puts a batch of requests into the queue: all of them or, on any error, none.
  package func enqueue(_ batch: BatchRequest, next: () throws -> JobRequest?) throws -> EnqueuedBatch {
    try batch.validate()
    let spool = try RequestSpool()
    try spool.take(withFingerprint: batch.key != nil, next)
    guard spool.count > 0 else { throw JobStoreError.emptyBatch }
    let after = try batch.after.map { try batchNumber($0) }
    // If the answer is lost, the same call finds by this what it has done.
    let token = Int64.random(in: 1...Int64.max)
    return try connection.transaction { link in
      try insert(batch, spool, after: after, token: token, link)
    }
  }

  private func insert(
    _ batch: BatchRequest, _ spool: RequestSpool, after: Int64?, token: Int64, _ link: ServerLink
  ) throws -> EnqueuedBatch {
    // A client that stops in the middle must not keep what it has locked.
    _ = try link.answer(to: "SET LOCAL idle_in_transaction_session_timeout = '60s'")
    // From here on to its end, a move waits.
    try link.expectHere(path)
    let fingerprint = batch.key == nil ? nil : spool.fingerprint.value
    let rows = try link.answer(
      to: """
        SELECT id, token, fingerprint, first_job, last_job, created_at
        FROM begin_batch($1::text, $2::text, $3::bigint, $4::bigint, $5::bigint, $6::bigint, $7::text, $8::smallint)
        """,
      [
        .text(batch.name), .text(batch.key), .integer(fingerprint), .integer(token), .integer(spool.count),
        .integer(after), .text(batch.namePattern), .flag(batch.hasOneNumerics),
      ]
    ).rows
    guard let row = rows.first else { throw ServerError.unexpected(reason: "begin_batch has no answer") }
    let reader = RowReader(row: row, table: "batches")
    let id: Int64 = try reader.value("id")
    let first: Int64 = try reader.value("first_job")
    let last: Int64 = try reader.value("last_job")
    let isMine = try reader.value("token", as: Int64.self) == token
    guard first <= last else {
      throw JobStoreError.damagedRow(table: "batches", column: "last_job", value: "\(last)")
    }
    let jobs = first...last
    if !isMine {
      guard try reader.optional("fingerprint") == fingerprint else {
        throw JobStoreError.keyReused(key: batch.key ?? "", batch: id)
      }
      return EnqueuedBatch(batch: id, jobs: jobs, isNew: false)
    }
    // There already: its answer was lost.
    if try hasJob(first, link) { return EnqueuedBatch(batch: id, jobs: jobs, isNew: true) }
    try link.copy(
      "COPY jobs (id, batch, created_at, \(JobRequest.columns.joined(separator: ", "))) FROM STDIN",
      next: spool.blocks(from: first, [.integer(id), .integer(try reader.value("created_at"))]))
    let numbers = first == last ? "job \(first)" : "jobs \(first) to \(last)"
    _ = try link.answer(
      to: "SELECT end_batch($1::bigint, $2::text, $3::text[], $4::text[])",
      [
        .integer(id), .text(numbers + (after.map { ", after batch \($0)" } ?? "")),
        .texts(spool.sources.map(\.text)), .texts(spool.sources.map(\.use.rawValue)),
      ])
    return EnqueuedBatch(batch: id, jobs: jobs, isNew: true)
  }

  private func hasJob(_ id: Int64, _ link: ServerLink) throws -> Bool {
    try !link.answer(to: "SELECT 1 AS one FROM jobs WHERE id = $1::bigint", [.integer(id)]).rows.isEmpty
  }
}
