import GRDB

/// What became of an outcome that was brought home.
package enum Homecoming: Sendable, Equatable {
  /// The job has ended in this queue, too.
  case taken
  /// It was here already, with the same pictures.
  case known
  /// The job is not in shards any more: it was cancelled, rendered or removed here.
  case unwanted
}

extension QueueClient {
  /// Whether a job is awaited, and this is how it may have ended. Nothing changes.
  /// - Throws: `JobStoreError.damagedRow` for pictures that the job does not ask for.
  package func awaits(_ outcome: ShardOutcome, of batch: ShardedBatch) throws -> Bool {
    try database.read { db in
      guard let job = try? db.job(outcome.job), job.batch == batch.batch, job.state == .queued else {
        return false
      }
      guard outcome.failure == nil else { return true }
      try Self.check(outcome.images, job.request)
      if job.namePattern == nil { try Self.check(namesOf: outcome.images, job) }
      return true
    }
  }

  /// Ends a job as it ended in a shard, in one transaction.
  /// - Parameters:
  ///   - outcome: as it came; its pictures lie at their final, absolute paths.
  ///   - batch: in shards.
  /// - Throws: `JobStoreError.damagedRow` for pictures that the job does not ask for.
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
      if outcome.failure == nil { try Self.check(outcome.images, job.request) }
      let values = Self.values(outcome, maxAttempts: job.request.maxAttempts, now)
      guard try db.move(move, .job(job.id), at: now, values) > 0 else {
        let digests = try String.fetchAll(
          db, sql: "SELECT digest FROM images WHERE job = ? ORDER BY number", arguments: [job.id])
        let isSame = job.state == (outcome.failure == nil ? .done : .failed)
        return isSame && digests == outcome.images.map(\.digest) ? .known : .unwanted
      }
      for event in outcome.events {
        var own = event
        // Another machine's clock may be ahead.
        (own.batch, own.job, own.at) = (job.batch, job.id, min(own.at, now))
        try db.record(own)
      }
      for image in outcome.images { try db.insert(image, ofJob: job.id) }
      return .taken
    }
  }

  /// Ends the sharding of a batch if all its jobs are back.
  /// - Returns: how many are not.
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

  /// In what the pictures of a batch differ, because machines differed: models that had several weights under one name,
  /// and the classes of numerics if there are several.
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

  private static func check(_ images: [ImageRecord], _ request: JobRequest) throws {
    let render = request.render
    guard images.map(\.index) == Array(0..<render.count) else {
      throw JobStoreError.damagedRow(
        table: "images", column: "number", value: "\(images.count) pictures of \(render.count)")
    }
    for image in images where image.seed != render.picture(image.index).seed {
      throw JobStoreError.damagedRow(table: "images", column: "seed", value: "\(image.seed)")
    }
  }

  /// Checks that pictures have the names that a daemon of this queue would have given them.
  private static func check(namesOf images: [ImageRecord], _ job: JobRecord) throws {
    for image in images {
      let stem = "\(job.batch)/\(job.id)-\(image.index)"
      // A second picture of a name has a number.
      let number = image.path.hasPrefix(stem) ? image.path.dropFirst(stem.count).dropLast(4) : "x"
      guard number.isEmpty || number.first == "-" && number.dropFirst().allSatisfy(\.isNumber) else {
        throw JobStoreError.damagedRow(table: "images", column: "path", value: "'\(image.path)'")
      }
    }
  }

  /// The arguments of the move. Counts may be anything, and another machine's clock may be ahead.
  private static func values(
    _ outcome: ShardOutcome, maxAttempts: Int, _ now: Milliseconds
  ) -> [String: (any DatabaseValueConvertible)?] {
    let statistics = outcome.statistics
    let finished = min(outcome.finishedAt ?? now, now)
    func count(_ number: Int64) -> Int64 { min(max(0, number), 1 << 53) }
    return [
      "attempts": min(max(1, outcome.attempts), max(1, maxAttempts)),
      "started": outcome.startedAt.map { min($0, finished) }, "finished": finished,
      "error": outcome.failure?.message, "kind": (outcome.failure?.kind ?? .transient).rawValue,
      "digest": outcome.modelDigest, "hits": count(statistics.cacheHits),
      "misses": count(statistics.cacheMisses),
      "evictions": count(statistics.cacheEvictions), "bypasses": count(statistics.cacheBypasses),
      "bytes": count(statistics.bytesRead), "stall": count(statistics.stall),
      "peak": count(statistics.peakBytes),
    ]
  }
}
