import GRDB

extension QueueClient {
  /// Whether a job is awaited, and this is how it may have ended.
  package func awaits(_ outcome: ShardOutcome, of batch: ShardedBatch) throws -> Bool {
    try database.read { db in try outcome.isAwaited(by: try? db.job(outcome.job), of: batch.batch) }
  }

  /// Ends a job as it ended in a shard, in one transaction.
  package func collect(_ outcome: ShardOutcome, of batch: ShardedBatch) throws -> Homecoming {
    try database.write { db, now in
      let key = try String.fetchOne(
        db, sql: "SELECT shards_key FROM batches WHERE id = ?", arguments: [batch.batch])
      guard key == batch.key, let job = try? db.job(outcome.job), job.batch == batch.batch else {
        return .unwanted
      }
      // Of a job that was done and that somebody queued anew by hand.
      if job.state == .queued { try db.retireImages(.job(job.id)) }
      let move: Transition.Name = outcome.failure == nil ? .collectDone : .collectFailed
      let own = try outcome.checked(for: job, now: now)
      guard try db.move(move, .job(job.id), at: now, Self.values(own)) > 0 else {
        let digests = try String.fetchAll(
          db, sql: "SELECT digest FROM images WHERE job = ? ORDER BY number", arguments: [job.id])
        return outcome.homecoming(to: job.state, with: digests)
      }
      for event in own.events { try db.record(event) }
      for image in own.images { try db.insert(image, ofJob: job.id) }
      return .taken
    }
  }

  /// Ends the sharding of a batch if all its jobs are back.
  package func settleShards(_ batch: ShardedBatch) throws -> Int {
    try database.write { db, now in
      let left =
        try Int.fetchOne(
          db,
          sql:
            "SELECT count(*) FROM jobs WHERE batch = ? AND state = 'queued' AND held & \(Hold.shards.rawValue)",
          arguments: [batch.batch]) ?? 0
      let isThere = try Bool.fetchOne(
        db, sql: "SELECT shards IS NOT NULL FROM batches WHERE id = ? AND shards_key = ?",
        arguments: [batch.batch, batch.key])
      if left == 0, isThere == true { try db.endShards(ofBatch: batch.batch, at: now, "all jobs are back") }
      return left
    }
  }

  /// In what the pictures of a batch differ, because machines differed.
  package func mixtures(ofBatch batch: Int64) throws -> (models: [String], classes: [String]) {
    try database.read { db in
      let models = try String.fetchAll(
        db,
        sql: """
          SELECT model FROM jobs WHERE batch = ? AND state = 'done' AND model_digest IS NOT NULL
          GROUP BY model HAVING count(DISTINCT substr(model_digest, 1, 64)) > 1 ORDER BY model LIMIT 5
          """, arguments: [batch])
      let classes = try String.fetchAll(
        db,
        sql: """
          SELECT DISTINCT numerics FROM images WHERE numerics IS NOT NULL
            AND job IN (SELECT id FROM jobs WHERE batch = ? AND state = 'done') ORDER BY numerics LIMIT 5
          """, arguments: [batch])
      return (models, classes.count > 1 ? classes : [])
    }
  }

  /// The arguments of the move.
  private static func values(_ outcome: ShardOutcome) -> [String: (any DatabaseValueConvertible)?] {
    let statistics = outcome.statistics
    return [
      "attempts": outcome.attempts, "started": outcome.startedAt, "finished": outcome.finishedAt,
      "error": outcome.failure?.message, "kind": outcome.failure?.kind?.rawValue,
      "digest": outcome.modelDigest, "hits": statistics.cacheHits, "misses": statistics.cacheMisses,
      "evictions": statistics.cacheEvictions, "bypasses": statistics.cacheBypasses,
      "bytes": statistics.bytesRead, "stall": statistics.stall, "peak": statistics.peakBytes,
    ]
  }
}
