import Boundary
import GRDB
import JobStore

/// How jobs come home from shards.
extension PostgresClient {
  /// Whether a job is awaited, and this is how it may have ended.
  package func awaits(_ outcome: ShardOutcome, of batch: ShardedBatch) throws -> Bool {
    let rows = try connection.rows("SELECT * FROM job_rows WHERE id = $1::bigint", [.integer(outcome.job)])
    return try outcome.isAwaited(by: rows.first.flatMap { try? JobRecord(row: $0) }, of: batch.batch)
  }

  /// Ends a job as it ended in a shard, in one transaction.
  package func collect(_ outcome: ShardOutcome, of batch: ShardedBatch) throws -> Homecoming {
    // If the answer is lost, the same call finds the job as it has ended it.
    var isEnded = false
    return try connection.transaction { link in
      try link.boundIdleness()
      guard let job = try Self.job(outcome.job, link), job.batch == batch.batch else { return .unwanted }
      let own = try outcome.checked(for: job, now: Self.now(link))
      if try Self.end(own, key: batch.key, link) {
        isEnded = true
        return .taken
      }
      let batches = try link.answer(
        to: "SELECT 1 AS one FROM batches WHERE id = $1::bigint AND shards_key = $2::text",
        [.integer(batch.batch), .text(batch.key)]
      ).rows
      // Another may have brought it home while this one waited for the row.
      guard !batches.isEmpty, let job = try Self.job(outcome.job, link) else { return .unwanted }
      let digests: [String] = try link.answer(
        to: "SELECT digest FROM images WHERE job = $1::bigint ORDER BY number", [.integer(job.id)]
      ).rows.map { try RowReader(row: $0, table: "images").value("digest") }
      let found = outcome.homecoming(to: job.state, with: digests)
      return isEnded && found == .known ? .taken : found
    }
  }

  /// - Returns: whether the job was in these shards.
  private static func end(_ outcome: ShardOutcome, key: String, _ link: ServerLink) throws -> Bool {
    let statistics = outcome.statistics
    let rows = try link.answer(
      to: """
        SELECT collect_job($1::bigint, $2::text, $3::jsonb, $4::jsonb, $5::integer, $6::bigint, $7::bigint, $8::text,
          $9::text, $10::text, $11::bigint, $12::bigint, $13::bigint, $14::bigint, $15::bigint, $16::bigint,
          $17::bigint) AS taken
        """,
      [
        .integer(outcome.job), .text(key), try .json(outcome.images.map(FinishedPicture.init)),
        try .json(outcome.events.map(CollectedEvent.init)), .integer(Int64(outcome.attempts)),
        .integer(outcome.startedAt), .integer(outcome.finishedAt),
        .text(outcome.failure?.message),
        .text(outcome.failure?.kind?.rawValue), .text(outcome.modelDigest), .integer(statistics.cacheHits),
        .integer(statistics.cacheMisses), .integer(statistics.cacheEvictions),
        .integer(statistics.cacheBypasses), .integer(statistics.bytesRead), .integer(statistics.stall),
        .integer(statistics.peakBytes),
      ]
    ).rows
    return try rows.first.map { try RowReader(row: $0, table: "jobs").value("taken") } ?? false
  }

  /// A job as it is; nil: there is none, or its row is damaged.
  private static func job(_ id: Int64, _ link: ServerLink) throws -> JobRecord? {
    let rows = try link.answer(to: "SELECT * FROM job_rows WHERE id = $1::bigint", [.integer(id)]).rows
    return rows.first.flatMap { try? JobRecord(row: $0) }
  }

  private static func now(_ link: ServerLink) throws -> Milliseconds {
    let rows = try link.answer(to: "SELECT milliseconds_now() AS now").rows
    return try rows.first.map { try RowReader(row: $0, table: "queue").value("now") } ?? 0
  }

  /// Gives up the shards of a batch: jobs that are not back are this queue's again.
  package func takeOutOfShards(batch: Int64) throws -> Int {
    // If the answer is lost, the same call finds none any more.
    var most = 0
    return try connection.transaction { link in
      try link.boundIdleness()
      let rows = try link.answer(
        to: "SELECT end_shards($1::bigint)::integer AS jobs", [.integer(batch)]
      ).rows
      most = max(most, try rows.first.map { try RowReader(row: $0, table: "waiting").value("jobs") } ?? 0)
      try Self.record("jobs taken back: \(most)", batch, link)
      return most
    }
  }

  /// Ends the sharding of a batch if all its jobs are back.
  package func settleShards(_ batch: ShardedBatch) throws -> Int {
    try connection.transaction { link in
      try link.boundIdleness()
      // Whoever has one of them queued again meanwhile waits.
      let rows = try link.answer(
        to: """
          SELECT (shards IS NOT NULL AND shards_key IS NOT DISTINCT FROM $2::text)::integer AS there FROM batches
          WHERE id = $1::bigint FOR NO KEY UPDATE
          """, [.integer(batch.batch), .text(batch.key)]
      ).rows
      let counted = try link.answer(
        to: "SELECT count(*) AS jobs FROM waiting WHERE batch = $1::bigint AND holds & 16 <> 0",
        [.integer(batch.batch)]
      ).rows
      let left: Int = try counted.first.map { try RowReader(row: $0, table: "waiting").value("jobs") } ?? 0
      let isThere = try rows.first.map {
        try RowReader(row: $0, table: "batches").value("there", as: Bool.self)
      }
      if left == 0, isThere == true {
        _ = try link.answer(to: "SELECT end_shards($1::bigint)", [.integer(batch.batch)])
        try Self.record("all jobs are back", batch.batch, link)
      }
      return left
    }
  }

  private static func record(_ words: String, _ batch: Int64, _ link: ServerLink) throws {
    _ = try link.answer(
      to: "INSERT INTO events (what, batch, detail) VALUES ('collected', $1::bigint, $2::text)",
      [.integer(batch), .text(words)])
  }

  /// In what the pictures of a batch differ, because machines differed.
  package func mixtures(ofBatch batch: Int64) throws -> (models: [String], classes: [String]) {
    let record = try self.batch(batch)
    let range: [ServerValue] = [.integer(record.firstJob), .integer(record.lastJob)]
    let done = "id BETWEEN $1::bigint AND $2::bigint AND outcome = 'done'"
    let models: [String] = try connection.rows(
      """
      SELECT model FROM jobs WHERE \(done) AND model_digest IS NOT NULL
      GROUP BY model HAVING count(DISTINCT left(model_digest, 64)) > 1 ORDER BY model LIMIT 5
      """, range
    ).map { try RowReader(row: $0, table: "jobs").value("model") }
    let classes: [String] = try connection.rows(
      """
      SELECT DISTINCT numerics FROM images
      WHERE job IN (SELECT id FROM jobs WHERE \(done)) AND numerics IS NOT NULL ORDER BY numerics LIMIT 5
      """, range
    ).map { try RowReader(row: $0, table: "images").value("numerics") }
    return (models, classes.count > 1 ? classes : [])
  }
}

/// Something that happened in a shard, as `collect_job` reads it.
private struct CollectedEvent: Encodable {
  let at: Int64
  let what: String
  let worker: String?
  let detail: String?

  init(_ event: Event) {
    (at, what, worker) = (event.at, event.kind.rawValue, event.worker.map { PlainText.line($0) })
    detail = event.detail.map { PlainText.line($0) }
  }
}
