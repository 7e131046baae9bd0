import GRDB

/// Repairs of rows that no program has written: they come from `sqlite3`, a restored backup or a broken tool.
extension QueueDatabase {
  /// Repairs what any program can know: the schema, the one row of `queue`, all counts, and the numbers of jobs that are
  /// not over. It works even if constraints are broken already.
  func mend() throws {
    try mendSchema()
    try translated {
      try connection.writeWithoutTransaction { db in
        try db.execute(sql: "PRAGMA ignore_check_constraints = ON")
        defer { try? db.execute(sql: "PRAGMA ignore_check_constraints = OFF") }
        try db.inTransaction(.immediate) {
          try db.execute(sql: "INSERT OR IGNORE INTO queue (id) VALUES (1)")
          try Self.setAsideWrongNumbers(db, clock().milliseconds)
          try Self.recount(db)
          try Self.mendJobs(db, clock().milliseconds)
          return .commit
        }
      }
    }
  }

  /// The numbers that jobs and batches get. With a larger one in a table, SQLite has none left for the next.
  static let numbers: ClosedRange<Int64> = 1...(1 << 53)

  private static let isOutside = "id NOT BETWEEN \(numbers.lowerBound) AND \(numbers.upperBound)"

  /// Takes jobs and batches with other numbers out of the way, and counts on from the largest that is left.
  private static func setAsideWrongNumbers(_ db: Database, _ now: Milliseconds) throws {
    for table in ["jobs", "batches"] {
      try db.execute(
        sql: """
          INSERT INTO set_aside (at, source, row)
          SELECT ?, ?, json_object('id', id, 'batch', \(table == "jobs" ? "batch" : "name")) FROM \(table)
          WHERE \(isOutside)
          """, arguments: [now, table])
      try db.execute(sql: "DELETE FROM \(table) WHERE \(isOutside)")
      // Made by hand, this table may hold anything.
      try db.execute(
        sql: """
          UPDATE sqlite_sequence SET seq = max(
            ifnull((SELECT max(id) FROM \(table)), 0),
            iif(typeof(seq) = 'integer' AND seq BETWEEN 0 AND \(numbers.upperBound), seq, 0)) WHERE name = ?
          """, arguments: [table])
    }
  }

  private static func recount(_ db: Database) throws {
    let counts = JobState.allCases.map {
      "\($0.rawValue) = (SELECT count(*) FROM jobs WHERE state = '\($0.rawValue)'"
    }
    try db.execute(
      sql: "UPDATE queue SET paused = (paused <> 0), \(counts.map { $0 + ")" }.joined(separator: ", "))")
    try db.execute(
      sql: """
        UPDATE batches SET paused = (paused <> 0), \(counts.map { $0 + " AND batch = batches.id)" }.joined(separator: ", "))
        """)
  }

  /// Repairs the values that constraints and sums need, in jobs that will still change.
  private static func mendJobs(_ db: Database, _ now: Milliseconds) throws {
    let most = "max(1, min(max_attempts, 100))"
    let held = """
      iif((SELECT paused FROM batches WHERE id = jobs.batch), \(Hold.batch.rawValue), 0)
        + iif((SELECT held_until FROM models WHERE name = jobs.model) IS NOT NULL, \(Hold.model.rawValue), 0)
        + iif(EXISTS (SELECT 1 FROM job_sources js JOIN sources s ON s.id = js.source
            WHERE js.job = jobs.id AND s.state <> 'ready'), \(Hold.source.rawValue), 0)
        + iif(batch IN (\(waitingBatches)), \(Hold.predecessor.rawValue), 0)
        + iif((SELECT shards FROM batches WHERE id = jobs.batch) IS NOT NULL, \(Hold.shards.rawValue), 0)
      """
    try db.execute(
      sql: """
        UPDATE jobs SET
          max_attempts = \(most),
          attempts = max(0, min(attempts, \(most) - (state = 'queued'))),
          losses = max(0, min(losses, 1000)),
          claims = max(0, min(claims, 1000000000000)),
          furthest_step = max(0, min(furthest_step, 1000000000)),
          furthest_saved = max(0, min(furthest_saved, 1000000000)),
          held = iif(held \(Hold.range), held, \(held)),
          cancel_requested = (cancel_requested <> 0),
          lease_owner = iif(state = 'running', ifnull(lease_owner, '?'), NULL),
          lease_expires = iif(state = 'running', ifnull(lease_expires, :now), NULL),
          error = 'its row was wrong and has been put right', error_kind = 'transient'
        WHERE \(wrong)
        """, arguments: ["now": now])
    try db.execute(sql: "UPDATE jobs SET held = held & ~\(Hold.predecessor.rawValue) WHERE \(waitsInVain)")
  }

  /// Batches in SQL that come after an earlier one with jobs that are not over. The jobs are looked at: what is counted
  /// may be wrong. A later one was named by hand, perhaps in a circle, and is not waited for.
  private static let waitingBatches = """
    SELECT b.id FROM batches b WHERE b.after < b.id
      AND EXISTS (SELECT 1 FROM jobs p WHERE p.batch = b.after AND p.state IN ('queued', 'running'))
    """

  /// The condition in SQL for jobs that wait for a batch that is over, or gone: its end was missed.
  private static let waitsInVain =
    "state = 'queued' AND held & \(Hold.predecessor.rawValue) AND batch NOT IN (\(waitingBatches))"

  /// The condition in SQL for open jobs with numbers that no program writes.
  private static let wrong = """
    state IN ('queued', 'running') AND NOT (
      max_attempts BETWEEN 1 AND 100 AND attempts BETWEEN 0 AND max_attempts - (state = 'queued')
      AND losses BETWEEN 0 AND 1000 AND claims BETWEEN 0 AND 1000000000000
      AND furthest_step BETWEEN 0 AND 1000000000 AND furthest_saved BETWEEN 0 AND 1000000000
      AND held \(Hold.range) AND cancel_requested IN (0, 1)
      AND (state = 'running') = (lease_owner IS NOT NULL)
      AND (state = 'running') = (lease_expires IS NOT NULL))
    """

  /// Calls `mend` if there is anything to repair, so that a starting daemon does not write without a reason. Of the
  /// batches' counts it looks at the sums: to count the jobs of each would read the whole table.
  func mendIfNeeded() throws {
    let counts = JobState.allCases.map { state in
      """
      \(state.rawValue) = (SELECT count(*) FROM jobs WHERE state = '\(state.rawValue)')
        AND \(state.rawValue) = (SELECT total(\(state.rawValue)) FROM batches)
      """
    }
    let isRight = try read { db in
      try Bool.fetchOne(
        db,
        sql: """
          SELECT count(*) = 1 AND NOT EXISTS (SELECT 1 FROM jobs WHERE \(Self.wrong))
            AND NOT EXISTS (SELECT 1 FROM jobs WHERE \(Self.waitsInVain))
            AND NOT EXISTS (SELECT 1 FROM jobs WHERE \(Self.isOutside))
            AND NOT EXISTS (SELECT 1 FROM batches WHERE \(Self.isOutside)
              OR min(queued, running, done, failed, cancelled) < 0)
            AND NOT EXISTS (
              SELECT 1 FROM sqlite_sequence WHERE name IN ('jobs', 'batches')
                AND NOT (typeof(seq) = 'integer' AND seq BETWEEN 0 AND \(Self.numbers.upperBound)))
          FROM queue WHERE \(counts.joined(separator: " AND "))
          """)
    }
    if isRight != true { try mend() }
  }
}
