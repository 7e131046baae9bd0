import GRDB
import JobStore

/// Jobs that are rendered elsewhere, from shards.
extension PostgresClient {
  /// Whoever puts jobs into shards: a folder is one batch's.
  private static let shardingLock: Int64 = 7_366_760_006

  /// Holds the waiting jobs of a batch, because they go into shards.
  package func putInShards(batch: Int64, folder: String) throws -> ShardedBatch {
    let key = ShardedBatch.newKey()
    return try connection.transaction { link in
      // A client that stops in the middle must not keep the jobs still for long.
      try link.boundIdleness()
      _ = try link.answer(
        to: "SELECT pg_advisory_xact_lock($1::bigint)", [.integer(Self.shardingLock)])
      let prospect = try prospect(batch, folder, link)
      if !prospect.isThere {
        try prospect.expectMovable()
        let rows = try link.answer(
          to: "SELECT put_in_shards($1::bigint, $2::text, $3::text)::integer AS jobs",
          [.integer(batch), .text(folder), .text(key)]
        ).rows
        let jobs: Int = try rows.first.map { try RowReader(row: $0, table: "waiting").value("jobs") } ?? 0
        _ = try link.answer(
          to: "INSERT INTO events (what, batch, detail) VALUES ('sharded', $1::bigint, $2::text)",
          [.integer(batch), .text(try prospect.words(for: jobs))])
      }
      guard let made = try Self.shardedBatch("id = $1::bigint", .integer(batch), link) else {
        throw JobStoreError.notFound(thing: "batch", id: "\(batch)")
      }
      return made
    }
  }

  /// - Throws: `JobStoreError.notFound`
  private func prospect(_ batch: Int64, _ folder: String, _ link: ServerLink) throws -> ShardProspect {
    let rows = try link.answer(
      to: """
        SELECT CASE WHEN b.shards_key IS NOT NULL THEN b.shards END AS place,
          (SELECT min(o.id) FROM batches o WHERE o.shards = $2::text AND o.id <> b.id) AS other,
          (b.same_numerics = 1 AND b.numerics IS NULL)::integer AS floats,
          EXISTS (SELECT 1 FROM waiting w WHERE w.batch = b.id AND w.holds & 4 <> 0)::integer AS fetching,
          EXISTS (SELECT 1 FROM waiting w WHERE w.batch = b.id AND w.holds & 8 <> 0)::integer AS later
        FROM batches b WHERE b.id = $1::bigint FOR NO KEY UPDATE
        """, [.integer(batch), .text(folder)]
    ).rows
    guard let row = rows.first else { throw JobStoreError.notFound(thing: "batch", id: "\(batch)") }
    let reader = RowReader(row: row, table: "batches")
    return ShardProspect(
      batch: batch, folder: folder, place: try reader.optional("place"), other: try reader.optional("other"),
      isFetching: try reader.value("fetching"), isLater: try reader.value("later"),
      isFloating: try reader.value("floats"))
  }

  /// The batch whose jobs went into shards with a key; nil if there is none in this queue.
  package func shardedBatch(key: String) throws -> ShardedBatch? {
    try connection.transaction { link in
      try Self.shardedBatch("shards_key = $1::text", .text(key), link)
    }
  }

  /// The batch whose jobs are in shards in a folder; nil if there is none in this queue.
  package func shardedBatch(folder: String) throws -> ShardedBatch? {
    try connection.transaction { link in try Self.shardedBatch("shards = $1::text", .text(folder), link) }
  }

  /// A batch that is or was in shards.
  private static func shardedBatch(
    _ condition: String, _ value: ServerValue, _ link: ServerLink
  ) throws -> ShardedBatch? {
    let found = try link.answer(
      to:
        "SELECT id, shards, shards_key FROM batches WHERE shards_key IS NOT NULL AND \(condition) ORDER BY id LIMIT 1",
      [value]
    ).rows
    guard let row = found.first else { return nil }
    let reader = RowReader(row: row, table: "batches")
    let batch: Int64 = try reader.value("id")
    let jobs: [Int64] = try link.answer(
      to: """
        SELECT id FROM waiting WHERE batch = $1::bigint AND holds & 16 <> 0 ORDER BY priority DESC, id
        """, [.integer(batch)]
    ).rows.map { try RowReader(row: $0, table: "waiting").value("id") }
    return ShardedBatch(
      batch: batch, key: try reader.value("shards_key"), folder: try reader.optional("shards"), jobs: jobs)
  }

  /// Jobs of a batch with all that another machine must know of them.
  package func cargo(of jobs: [Int64], batch: Int64) throws -> ShardCargo {
    let rows = try connection.rows(
      "SELECT \(ShardCargo.batchColumns) FROM batches WHERE id = $1::bigint", [.integer(batch)])
    guard let row = rows.first else { throw JobStoreError.notFound(thing: "batch", id: "\(batch)") }
    let records = try connection.rows(
      "SELECT * FROM job_rows WHERE id = ANY ($1::bigint[])", [.integers(jobs)]
    ).map { try JobRecord(row: $0) }
    let byNumber = Dictionary(records.map { ($0.id, $0) }) { first, _ in first }
    var sources: [Int64: [Row]] = [:]
    for row in try connection.rows(
      """
      SELECT js.job, s.id, s.batch, s.source, s.use, s.name, s.revision, s.path, s.created_at
      FROM job_sources js JOIN sources s ON s.id = js.source
      WHERE s.state = 'ready' AND js.job = ANY ($1::bigint[]) ORDER BY js.job, s.id
      """, [.integers(jobs)])
    {
      sources[try RowReader(row: row, table: "job_sources").value("job"), default: []].append(row)
    }
    return ShardCargo(
      batch: row,
      jobs: try jobs.map { id in
        guard let job = byNumber[id] else { throw JobStoreError.notFound(thing: "job", id: "\(id)") }
        return job
      }, sources: sources)
  }

  /// Batches whose jobs are in shards, in order of their numbers.
  package func batchesInShards(among batches: Set<Int64>?, limit: Int) throws -> [BatchRecord] {
    if batches?.isEmpty == true { return [] }
    let these = batches == nil ? "" : "AND b.id = ANY ($2::bigint[])"
    return try self.batches(
      "WHERE b.shards IS NOT NULL \(these) ORDER BY b.id LIMIT $1::bigint",
      [.integer(Int64(max(0, limit)))] + (batches.map { [.integers($0.sorted())] } ?? []))
  }

  /// How many queued jobs are in shards.
  package func jobsInShards(batch: Int64?) throws -> Int {
    let row = try database.row(
      """
      SELECT count(*) AS jobs FROM waiting WHERE holds & 16 <> 0 AND ($1::bigint IS NULL OR batch = $1::bigint)
      """, [.integer(batch)])
    return try RowReader(row: row, table: "waiting").value("jobs")
  }
}
