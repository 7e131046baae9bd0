import GRDB

/// Which jobs a purge removes. Nothing is ever removed without a purge.
package struct Retention: Sendable, Equatable {
  /// Only jobs in these states. Jobs that are not over are never removed.
  package var states: Set<JobState> = [.done]
  /// Only jobs that were over before this time.
  package var finishedBefore: Milliseconds?
  /// How many of the newest jobs in each state are kept.
  package var keepNewest = 0
  /// The newest jobs in all these states are kept whose pictures have at most so many bytes together; nil: no limit says
  /// so.
  package var keepBytes: Int64?

  package init() {}

  /// The states of jobs that may go, in order.
  package var over: [JobState] {
    states.filter { !$0.isOpen }.sorted { $0.rawValue < $1.rawValue }
  }
}

/// A job that a purge removes, and its files.
package struct ExpiredJob: Sendable, Equatable {
  package var id: Int64
  /// The files of its images.
  package var paths: [String]

  package init(id: Int64, paths: [String]) {
    self.id = id
    self.paths = paths
  }
}

extension QueueClient {
  /// Removes jobs with their images, progress and events, some at a time, so that nobody waits long.
  ///
  /// Files are removed before rows, so that after an interruption the next purge finds the rows and goes on. A batch
  /// is removed with its last job, unless it has an idempotency key, which must not be forgotten.
  /// - Parameters:
  ///   - retention: which jobs to remove.
  ///   - atOnce: jobs per transaction.
  ///   - removeFiles: called for each job before its rows are removed. If it throws, the purge ends and keeps that
  ///     job and the later ones.
  /// - Returns: how many jobs were removed.
  package func purge(
    _ retention: Retention, atOnce: Int = 500, removeFiles: (ExpiredJob) throws -> Void
  ) throws -> Int {
    var purged = 0
    let fit = try oldestThatFits(retention)
    for state in retention.over {
      while case let expired = try expired(retention, state, fit, limit: max(1, atOnce)), !expired.isEmpty {
        for job in expired { try removeFiles(job) }
        let removed = try database.write { db, _ in try remove(expired, state, db) }
        purged += removed
        // All of them were retried meanwhile and must stay.
        if removed == 0 { break }
      }
    }
    return purged
  }

  /// The jobs that `purge` would remove, the oldest first.
  package func expired(_ retention: Retention, limit: Int) throws -> [ExpiredJob] {
    let fit = try oldestThatFits(retention)
    return try retention.over.flatMap { try expired(retention, $0, fit, limit: limit) }
  }

  /// How many jobs `purge` would remove.
  package func expiredCount(_ retention: Retention) throws -> Int {
    let fit = try oldestThatFits(retention)
    return try retention.over.map { state in
      try database.read { db in
        guard let arguments = try bounds(retention, state, fit, db) else { return 0 }
        return try Int.fetchOne(
          db, sql: "SELECT count(*) FROM \(Self.expiredJobs)", arguments: arguments) ?? 0
      }
    }.reduce(0, +)
  }

  private static let expiredJobs = """
    jobs INDEXED BY jobs_over
    WHERE state = ? AND finished_at IS NOT NULL AND finished_at < ? AND (finished_at, id) < (?, ?)
    """

  /// A job's place among those that are over: when it ended, and its number.
  private typealias Place = (time: Milliseconds, id: Int64)

  /// What `Retention.keepBytes` keeps.
  private enum Kept {
    /// All jobs from this place on.
    case since(Place)
    case everything
    case nothing
  }

  /// The oldest job that is kept for its bytes. It is looked for once: what is removed meanwhile changes nothing, and
  /// what ends meanwhile is newer.
  private func oldestThatFits(_ retention: Retention) throws -> Kept {
    guard let most = retention.keepBytes else { return .nothing }
    // Each state's jobs come in order from the index, so that SQLite merges and sorts nothing.
    let jobs = retention.over.map {
      """
      SELECT id, finished_at AS ended,
        (SELECT total(max(bytes, 0)) FROM images WHERE job = jobs.id)
          + (SELECT total(max(bytes, 0)) FROM former_images WHERE job = jobs.id)
          + (SELECT total(max(bytes, 0)) FROM checkpoints WHERE job = jobs.id AND path IS NOT NULL) AS bytes
      FROM jobs INDEXED BY jobs_over WHERE state = '\($0.rawValue)' AND finished_at IS NOT NULL
      """
    }
    guard !jobs.isEmpty else { return .everything }
    return try database.read { db in
      let rows = try Row.fetchCursor(
        db, sql: jobs.joined(separator: " UNION ALL ") + " ORDER BY ended DESC, id DESC")
      var oldest: Place?
      var sum = 0.0
      while let row = try rows.next() {
        let reader = RowReader(row: row, table: "jobs")
        sum += try reader.value("bytes")
        guard sum <= Double(most) else { return oldest.map(Kept.since) ?? .nothing }
        oldest = (try reader.value("ended"), try reader.value("id"))
      }
      return .everything
    }
  }

  /// The arguments of `expiredJobs`; nil if none may go.
  private func bounds(
    _ retention: Retention, _ state: JobState, _ fit: Kept, _ db: Database
  ) throws -> StatementArguments? {
    // The oldest job to keep. Only jobs before it are removed.
    var kept: Place = (.max, .max)
    switch fit {
    case .everything: return nil
    case .since(let place): kept = place
    case .nothing: break
    }
    if retention.keepNewest > 0 {
      let oldestKept = try Row.fetchOne(
        db,
        sql: """
          SELECT finished_at, id FROM jobs INDEXED BY jobs_over
          WHERE state = ? AND finished_at IS NOT NULL
          ORDER BY finished_at DESC, id DESC LIMIT 1 OFFSET ?
          """, arguments: [state.rawValue, retention.keepNewest - 1])
      guard let oldestKept else { return nil }
      let reader = RowReader(row: oldestKept, table: "jobs")
      let newest: Place = (try reader.value("finished_at"), try reader.value("id"))
      if newest < kept { kept = newest }
    }
    return [state.rawValue, retention.finishedBefore ?? .max, kept.time, kept.id]
  }

  private func expired(
    _ retention: Retention, _ state: JobState, _ fit: Kept, limit: Int
  ) throws -> [ExpiredJob] {
    try database.read { db in
      guard let arguments = try bounds(retention, state, fit, db) else { return [] }
      let ids = try Int64.fetchAll(
        db, sql: "SELECT id FROM \(Self.expiredJobs) ORDER BY finished_at, id LIMIT ?",
        arguments: arguments + [limit])
      let images = try db.cachedStatement(
        sql: """
          SELECT path FROM images WHERE job = ?1
          UNION SELECT path FROM former_images WHERE job = ?1
          UNION SELECT path FROM checkpoints WHERE job = ?1 AND path IS NOT NULL
          """)
      return try ids.map { ExpiredJob(id: $0, paths: try String.fetchAll(images, arguments: [$0])) }
    }
  }

  private func remove(_ expired: [ExpiredJob], _ state: JobState, _ db: Database) throws -> Int {
    // Numbers need no escaping.
    let ids = expired.map { "\($0.id)" }.joined(separator: ", ")
    let batches = try Int64.fetchAll(db, sql: "SELECT DISTINCT batch FROM jobs WHERE id IN (\(ids))")
    try db.execute(
      sql: "DELETE FROM jobs WHERE id IN (\(ids)) AND state = ?", arguments: [state.rawValue])
    let removed = db.changesCount
    for batch in batches {
      try db.execute(
        sql: """
          DELETE FROM batches WHERE id = ?1 AND key IS NULL
            AND NOT EXISTS (SELECT 1 FROM jobs WHERE batch = ?1)
          """, arguments: [batch])
    }
    return removed
  }
}
