import GRDB

extension QueueClient {
  /// Holds the waiting jobs of a batch, because they go into shards.
  package func putInShards(batch: Int64, folder: String) throws -> ShardedBatch {
    try database.write { db, now in
      let prospect = try Self.prospect(batch, folder, db)
      if !prospect.isThere {
        try prospect.expectMovable()
        try db.execute(
          sql: "UPDATE jobs SET held = held | \(Hold.shards.rawValue) WHERE batch = ? AND state = 'queued'",
          arguments: [batch])
        let words = try prospect.words(for: db.changesCount)
        try db.execute(
          sql: "UPDATE batches SET shards = ?, shards_key = ? WHERE id = ?",
          arguments: [folder, ShardedBatch.newKey(), batch])
        try db.record(Event(.sharded, at: now, batch: batch, detail: words))
      }
      guard let made = try db.shardedBatch("id = ?", batch) else {
        throw JobStoreError.notFound(thing: "batch", id: "\(batch)")
      }
      return made
    }
  }

  /// The batch whose jobs went into shards with a key; nil if there is none in this queue.
  package func shardedBatch(key: String) throws -> ShardedBatch? {
    try database.read { db in try db.shardedBatch("shards_key = ?", key) }
  }

  /// The batch whose jobs are in shards in a folder; nil if there is none in this queue.
  package func shardedBatch(folder: String) throws -> ShardedBatch? {
    try database.read { db in try db.shardedBatch("shards = ?", folder) }
  }

  /// Batches whose jobs are in shards, in order of their numbers.
  /// - Parameters:
  ///   - batches: only these; nil: any.
  ///   - limit: at most so many.
  package func batchesInShards(among batches: Set<Int64>? = nil, limit: Int = 16) throws -> [BatchRecord] {
    if batches?.isEmpty == true { return [] }
    // Numbers need no escaping.
    let these = batches.map { "AND id IN (\($0.sorted().map(String.init).joined(separator: ", ")))" } ?? ""
    return try database.read { db in
      try BatchRecord.fetchAll(
        db,
        sql:
          "SELECT \(BatchRecord.columns) FROM batches WHERE shards IS NOT NULL \(these) ORDER BY id LIMIT ?",
        arguments: [max(0, limit)])
    }
  }

  /// How many queued jobs are in shards.
  /// - Parameter batch: only those of this one; nil: of any.
  package func jobsInShards(batch: Int64? = nil) throws -> Int {
    let those = batch.map { "batch = \($0) AND" } ?? ""
    return try database.read { db in
      try Int.fetchOne(
        db,
        sql:
          "SELECT count(*) FROM jobs INDEXED BY jobs_in_shards WHERE \(those) state = 'queued' AND held & \(Hold.shards.rawValue)"
      ) ?? 0
    }
  }

  /// Gives up the shards of a batch: jobs that are not back are this queue's again.
  package func takeOutOfShards(batch: Int64) throws -> Int {
    try database.write { db, now in
      let bit = Hold.shards.rawValue
      let jobs =
        try Int.fetchOne(
          db, sql: "SELECT count(*) FROM jobs WHERE batch = ? AND state = 'queued' AND held & \(bit)",
          arguments: [batch]) ?? 0
      try db.endShards(ofBatch: batch, at: now, "jobs taken back: \(jobs)")
      return jobs
    }
  }

  private static func prospect(_ batch: Int64, _ folder: String, _ db: Database) throws -> ShardProspect {
    let row = try Row.fetchOne(
      db,
      sql: """
        SELECT iif(b.shards_key IS NULL, NULL, b.shards) AS place,
          (SELECT id FROM batches WHERE shards = ?2 AND id <> b.id LIMIT 1) AS other,
          b.same_numerics AND b.numerics IS NULL AS floats,
          ifnull(sum(j.held & \(Hold.source.rawValue) <> 0), 0) AS fetching,
          ifnull(sum(j.held & \(Hold.predecessor.rawValue) <> 0), 0) AS later
        FROM batches b LEFT JOIN jobs j ON j.batch = b.id AND j.state = 'queued' WHERE b.id = ?1 GROUP BY b.id
        """, arguments: [batch, folder])
    guard let row else { throw JobStoreError.notFound(thing: "batch", id: "\(batch)") }
    let reader = RowReader(row: row, table: "batches")
    return ShardProspect(
      batch: batch, folder: folder, place: try reader.optional("place"), other: try reader.optional("other"),
      isFetching: try reader.value("fetching", as: Int.self) > 0,
      isLater: try reader.value("later", as: Int.self) > 0,
      isFloating: try reader.value("floats", as: Bool.self))
  }
}

extension Database {
  /// A batch that is or was in shards.
  fileprivate func shardedBatch(
    _ condition: String, _ value: some DatabaseValueConvertible
  ) throws -> ShardedBatch? {
    let row = try Row.fetchOne(
      self,
      sql: "SELECT id, shards, shards_key FROM batches WHERE shards_key IS NOT NULL AND \(condition)",
      arguments: [value])
    guard let row else { return nil }
    let reader = RowReader(row: row, table: "batches")
    let batch: Int64 = try reader.value("id")
    let jobs = try Int64.fetchAll(
      self,
      sql: """
        SELECT id FROM jobs WHERE batch = ? AND state = 'queued' AND held & \(Hold.shards.rawValue)
        ORDER BY priority DESC, id
        """, arguments: [batch])
    return ShardedBatch(
      batch: batch, key: try reader.value("shards_key"), folder: try reader.optional("shards"), jobs: jobs)
  }

  /// Nothing of a batch is in shards any more. Their key stays, so that they can be collected once more without harm.
  func endShards(ofBatch batch: Int64, at now: Milliseconds, _ detail: String) throws {
    try execute(
      sql: "UPDATE jobs SET held = held & ~\(Hold.shards.rawValue) WHERE batch = ?", arguments: [batch])
    try execute(sql: "UPDATE batches SET shards = NULL WHERE id = ?", arguments: [batch])
    try record(Event(.collected, at: now, batch: batch, detail: detail))
  }
}
