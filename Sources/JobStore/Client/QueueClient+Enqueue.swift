import GRDB
import Requests

/// The result of an enqueue.
package struct EnqueuedBatch: Sendable, Equatable {
  package var batch: Int64
  /// The jobs' numbers, one per request, in order.
  package var jobs: ClosedRange<Int64>
  /// False if the batch existed already, by its key.
  package var isNew: Bool

  package init(batch: Int64, jobs: ClosedRange<Int64>, isNew: Bool) {
    self.batch = batch
    self.jobs = jobs
    self.isNew = isNew
  }
}

extension QueueClient {
  /// Puts a batch of requests into the queue: all of them or, on any error, none.
  ///
  /// Requests are first collected one by one in a temporary table, so memory stays flat and a slow source blocks
  /// nobody. Then one short transaction copies them into the queue. Seeds are kept as given.
  /// - Parameters:
  ///   - batch: its name and key, what it comes after, and how its pictures are named.
  ///   - next: The next request, nil at the end; its errors end the enqueue and come through.
  /// - Throws: `RequestError`, `JobStoreError.emptyBatch`, `.keyReused`, `.notFound` and `.ambiguous` for the batch that
  ///   it comes after, `.diskFull`, …
  package func enqueue(_ batch: BatchRequest, next: () throws -> JobRequest?) throws -> EnqueuedBatch {
    try batch.validate()
    return try database.translated {
      try database.connection.writeWithoutTransaction { db in
        try db.execute(sql: "CREATE TEMP TABLE IF NOT EXISTS incoming (\(Self.incomingColumns))")
        try db.execute(
          sql: "CREATE TEMP TABLE IF NOT EXISTS incoming_sources (request INTEGER, source TEXT, use TEXT)")
        try db.execute(sql: "DELETE FROM temp.incoming; DELETE FROM temp.incoming_sources")
        let incoming = try stage(next, withFingerprint: batch.key != nil, db)
        guard incoming.count > 0 else { throw JobStoreError.emptyBatch }
        var enqueued: EnqueuedBatch?
        try db.inTransaction(.immediate) {
          enqueued = try insert(batch, incoming, db)
          return .commit
        }
        try db.execute(sql: "DELETE FROM temp.incoming; DELETE FROM temp.incoming_sources")
        guard let enqueued else { throw JobStoreError.emptyBatch }
        return enqueued
      }
    }
  }

  private struct Incoming {
    var count: Int64 = 0
    var fingerprint = Fingerprint()
  }

  private static let incomingColumns = JobRequest.columns.joined(separator: ", ")

  private func stage(
    _ next: () throws -> JobRequest?, withFingerprint: Bool, _ db: Database
  ) throws -> Incoming {
    var incoming = Incoming()
    // This writes to the temporary database only, so the queue stays unlocked however long it takes.
    try db.inTransaction(.deferred) {
      let places = JobRequest.columns.map { _ in "?" }.joined(separator: ", ")
      let insert = try db.cachedStatement(
        sql: "INSERT INTO temp.incoming (\(Self.incomingColumns)) VALUES (\(places))")
      let insertSource = try db.cachedStatement(
        sql: "INSERT INTO temp.incoming_sources (request, source, use) VALUES (?, ?, ?)")
      var check = RequestCheck()
      while var request = try next() {
        try check.check(request)
        incoming.count += 1
        for source in request.render.takeSources() {
          try insertSource.execute(arguments: [incoming.count, source.text, source.use.rawValue])
        }
        if withFingerprint { incoming.fingerprint.add(request) }
        try insert.execute(arguments: StatementArguments(request.values.map(\.databaseValue)))
      }
      return .commit
    }
    return incoming
  }

  private func insert(_ batch: BatchRequest, _ incoming: Incoming, _ db: Database) throws -> EnqueuedBatch {
    // While the requests came in, the queue may have gone.
    try db.expectHere(database.path)
    let now = database.clock().milliseconds
    if let key = batch.key, let known = try known(key, incoming, db) { return known }

    let after = try batch.after.map { try db.batchNumber($0) }
    let last = try lastNumber("jobs", before: incoming.count, db)
    _ = try lastNumber("batches", before: 1, db)
    let jobs = (last + 1)...(last + incoming.count)
    try db.execute(
      sql: """
        INSERT INTO batches
          (name, key, fingerprint, created_at, first_job, last_job, after, name_pattern, same_numerics)
        VALUES (coalesce(?, ''), ?, ?, ?, ?, ?, ?, ?, ?)
        """,
      arguments: [
        batch.name, batch.key, batch.key == nil ? nil : incoming.fingerprint.value, now, jobs.lowerBound,
        jobs.upperBound, after, batch.namePattern, batch.hasOneNumerics,
      ])
    let id = db.lastInsertedRowID
    if batch.name == nil {
      try db.execute(sql: "UPDATE batches SET name = 'batch-' || id WHERE id = ?", arguments: [id])
    }
    try db.execute(
      sql: """
        INSERT INTO jobs (id, batch, created_at, wait_set_at, held, \(Self.incomingColumns))
        SELECT ?1 + rowid, ?2, ?3, iif(run_after IS NULL, NULL, ?3),
               iif(model IN (SELECT name FROM models WHERE held_until IS NOT NULL), \(Hold.model.rawValue), 0)
                 | iif(EXISTS (SELECT 1 FROM batches WHERE id = ?4 AND queued + running > 0),
                       \(Hold.predecessor.rawValue), 0),
               \(Self.incomingColumns)
        FROM temp.incoming ORDER BY rowid
        """,
      arguments: [last, id, now, after])
    try insertSources(ofBatch: id, after: last, db, now)
    let numbers =
      incoming.count == 1 ? "job \(jobs.lowerBound)" : "jobs \(jobs.lowerBound) to \(jobs.upperBound)"
    let order = after.map { ", after batch \($0)" } ?? ""
    try db.record(Event(.enqueued, at: now, batch: id, detail: numbers + order))
    return EnqueuedBatch(batch: id, jobs: jobs, isNew: true)
  }

  /// The largest number that a table has given.
  /// - Throws: `JobStoreError.wrongRow` if somebody made one after which there are too few.
  private func lastNumber(_ table: String, before count: Int64, _ db: Database) throws -> Int64 {
    let row = try Row.fetchOne(
      db,
      sql: """
        SELECT max(
          ifnull((SELECT seq FROM sqlite_sequence WHERE name = ?1), 0), ifnull((SELECT max(id) FROM \(table)), 0)
        ) AS last
        """, arguments: [table])
    let last: Int64 = try row.map { try RowReader(row: $0, table: "sqlite_sequence").value("last") } ?? 0
    guard last >= 0, last <= QueueDatabase.numbers.upperBound - count else {
      throw JobStoreError.wrongRow(
        reason:
          "number \(last) in table \(table) leaves none for more: restart segmoed, or delete that row and its "
          + "line in sqlite_sequence")
    }
    return last
  }

  /// Records what the jobs name of a hub, and lets them wait for it.
  private func insertSources(ofBatch batch: Int64, after last: Int64, _ db: Database, _ now: Milliseconds)
    throws
  {
    try db.execute(
      sql: """
        INSERT INTO sources (batch, source, use, created_at, updated_at)
        SELECT ?1, source, use, ?2, ?2 FROM temp.incoming_sources GROUP BY use, source ORDER BY min(rowid)
        """, arguments: [batch, now])
    guard db.changesCount > 0 else { return }
    try db.execute(
      sql: """
        INSERT OR IGNORE INTO job_sources (job, source)
        SELECT ?1 + i.request, s.id FROM temp.incoming_sources i
          JOIN sources s ON s.batch = ?2 AND s.use = i.use AND s.source = i.source
        """, arguments: [last, batch])
    try db.execute(
      sql: """
        UPDATE jobs SET held = held | \(Hold.source.rawValue)
        WHERE id IN (SELECT job FROM job_sources WHERE job > ?)
        """, arguments: [last])
  }

  private func known(_ key: String, _ incoming: Incoming, _ db: Database) throws -> EnqueuedBatch? {
    guard
      let row = try Row.fetchOne(
        db, sql: "SELECT id, fingerprint, first_job, last_job FROM batches WHERE key = ?", arguments: [key])
    else { return nil }
    let reader = RowReader(row: row, table: "batches")
    let id: Int64 = try reader.value("id")
    let first: Int64 = try reader.value("first_job")
    let last: Int64 = try reader.value("last_job")
    // A batch from before schema 5 has no comparable fingerprint, so only the number of requests is compared.
    let isSame =
      try reader.optional("fingerprint").map { $0 == incoming.fingerprint.value }
      ?? (last - first + 1 == incoming.count)
    guard isSame, first <= last else { throw JobStoreError.keyReused(key: key, batch: id) }
    return EnqueuedBatch(batch: id, jobs: first...last, isNew: false)
  }
}
