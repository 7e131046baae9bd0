import GRDB
import JobStore

extension PostgresClient {
  /// Jobs in order of their numbers. If there are more than the limit, the newest ones.
  package func list(_ filter: JobFilter) throws -> [JobSummary] {
    var conditions: [String] = []
    var values: [ServerValue] = []
    func bind(_ value: ServerValue) -> String {
      values.append(value)
      return "$\(values.count)"
    }
    if !filter.states.isEmpty {
      let states = bind(.texts(filter.states.map(\.rawValue).sorted()))
      conditions.append("state = ANY (\(states)::text[])")
      // These are found without a look at all others.
      if filter.states == [.running] { conditions.append("id IN (SELECT job FROM leases)") }
      if !filter.states.contains(where: \.isOpen) { conditions.append("outcome = ANY (\(states)::text[])") }
    }
    if let number = filter.batch {
      let batch = try batch(number)
      conditions.append(
        "id BETWEEN \(bind(.integer(batch.firstJob)))::bigint AND \(bind(.integer(batch.lastJob)))::bigint")
    }
    if !filter.jobs.isEmpty { conditions.append("id = ANY (\(bind(.integers(filter.jobs)))::bigint[])") }
    if let prompt = filter.prompt {
      // Of A to Z alone, as on SQLite, whatever the database's language does with an i.
      conditions.append("prompt COLLATE \"C\" ILIKE \(bind(.text("%\(Self.literal(prompt))%")))::text")
    }
    if let model = filter.model {
      conditions.append(
        "(model = \(bind(.text(model)))::text OR model LIKE \(bind(.text("%/\(Self.literal(model))")))::text)"
      )
    }
    if let since = filter.createdSince {
      conditions.append("created_at >= \(bind(.integer(since)))::bigint")
    }
    let condition = conditions.isEmpty ? "" : "WHERE " + conditions.joined(separator: " AND ")
    let limit = filter.limit.map { "LIMIT \(bind(.integer(Int64(max(0, $0)))))::bigint" } ?? ""
    return try summaries("\(condition) ORDER BY id DESC \(limit)", values).reversed()
  }

  /// Everything about one job.
  package func details(job id: Int64) throws -> JobDetails {
    let job = try job(id)
    guard let summary = try summaries("WHERE id = $1::bigint", [.integer(id)]).first else {
      throw JobStoreError.notFound(thing: "job", id: "\(id)")
    }
    let images = try connection.rows(
      "SELECT * FROM images WHERE job = $1::bigint ORDER BY number", [.integer(id)]
    ).map { try ImageRecord(row: $0) }
    let events = try connection.rows(
      """
      SELECT at, batch, job, worker, what, detail FROM events
      WHERE job = $1::bigint OR batch = $2::bigint AND job IS NULL ORDER BY at, id
      """, [.integer(id), .integer(job.batch)]
    ).map { try Event(row: $0) }
    return JobDetails(
      job: job, summary: summary, images: images, events: events, sources: try sources(job: id))
  }

  /// A job with all its columns.
  /// - Throws: `JobStoreError.notFound`, `.damagedRow`
  func job(_ id: Int64) throws -> JobRecord {
    let rows = try connection.rows("SELECT * FROM job_rows WHERE id = $1::bigint", [.integer(id)])
    guard let row = rows.first else { throw JobStoreError.notFound(thing: "job", id: "\(id)") }
    return try JobRecord(row: row)
  }

  /// Whether the queue is paused, and how many jobs are in each state.
  package func status() throws -> QueueStatus {
    let row = try database.row(
      """
      SELECT paused, queued, running, done, failed, cancelled FROM queue, batch_counts WHERE batch = 0
      """)
    let reader = RowReader(row: row, table: "queue")
    return QueueStatus(isPaused: try reader.value("paused"), counts: try StateCounts(reader))
  }

  /// A batch with its counts.
  package func batch(_ id: Int64) throws -> BatchRecord {
    let batches = try batches("WHERE b.id = $1::bigint", [.integer(id)])
    guard let batch = batches.first else { throw JobStoreError.notFound(thing: "batch", id: "\(id)") }
    return batch
  }

  /// The newest batches, in order of their numbers.
  package func batches(limit: Int) throws -> [BatchRecord] {
    try batches("ORDER BY b.id DESC LIMIT $1::bigint", [.integer(Int64(max(0, limit)))]).reversed()
  }

  /// Batches with their counts, `b` and `c` in the condition.
  func batches(_ condition: String, _ values: [ServerValue]) throws -> [BatchRecord] {
    try connection.rows(
      """
      SELECT b.*, c.queued, c.running, c.done, c.failed, c.cancelled,
        CASE WHEN EXISTS (SELECT 1 FROM waiting w WHERE w.batch = b.id AND w.holds & 8 <> 0)
          THEN 'batch ' || (SELECT p.name FROM batches p WHERE p.id = b.after)
          WHEN b.numerics IS NOT NULL AND c.queued > 0 AND b.shards IS NULL AND NOT EXISTS (
            SELECT 1 FROM workers k WHERE k.numerics = b.numerics AND k.state <> 'stopped')
          THEN 'a daemon of ' || b.numerics END AS waits_for
      FROM batches b CROSS JOIN LATERAL (
        SELECT coalesce(sum(t.queued), 0)::bigint AS queued, coalesce(sum(t.running), 0)::bigint AS running,
          coalesce(sum(t.done), 0)::bigint AS done, coalesce(sum(t.failed), 0)::bigint AS failed,
          coalesce(sum(t.cancelled), 0)::bigint AS cancelled
        FROM batch_counts t WHERE t.batch = b.id) c
      \(condition)
      """, values
    ).map { try BatchRecord(row: $0) }
  }

  /// The number of a batch that somebody names.
  package func batchNumber(_ text: String) throws -> Int64 {
    // A number first, since every batch has one; a batch may be called "7" all the same.
    if let number = Int64(text),
      try !connection.rows("SELECT 1 AS one FROM batches WHERE id = $1::bigint", [.integer(number)]).isEmpty
    {
      return number
    }
    for (condition, value) in [("name = $1::text", text), ("name LIKE $1::text", Self.literal(text) + "%")] {
      let found: [Int64] = try connection.rows(
        "SELECT id FROM batches WHERE \(condition) ORDER BY id DESC LIMIT 6", [.text(value)]
      ).map { try RowReader(row: $0, table: "batches").value("id") }
      if found.count > 1 { throw JobStoreError.ambiguous(thing: "batch", name: text, numbers: found) }
      if let only = found.first { return only }
    }
    throw JobStoreError.notFound(thing: "batch", id: text)
  }

  /// The checkpoint of an image of an unfinished job; nil if there is none.
  package func checkpoint(job: Int64, index: Int) throws -> Checkpoint? {
    let rows = try connection.rows(
      "SELECT * FROM checkpoints WHERE job = $1::bigint AND number = $2::integer",
      [.integer(job), .integer(Int64(index))])
    return try rows.first.map { try Checkpoint(row: $0) }
  }

  /// All workers that ever signed on, by name.
  package func workers() throws -> [WorkerRecord] {
    try connection.rows("SELECT * FROM workers ORDER BY name").map { try WorkerRecord(row: $0) }
  }

  /// What each worker said of itself when it started last, by its name.
  package func introductions() throws -> [String: String] {
    let rows = try connection.rows(
      "SELECT name, introduction FROM workers WHERE introduction IS NOT NULL")
    return try rows.reduce(into: [:]) { introductions, row in
      let reader = RowReader(row: row, table: "workers")
      introductions[try reader.value("name")] = try reader.value("introduction", as: String.self)
    }
  }

  /// Jobs in a list, with their images.
  private func summaries(_ condition: String, _ values: [ServerValue]) throws -> [JobSummary] {
    let rows = try connection.rows(
      """
      SELECT id, batch, prompt, model, pixels, priority, attempts, max_attempts, held, seed, variation_strength, count,
        steps, state, run_after, lease_owner, lease_expires, cancel_requested, started_at, finished_at, error,
        error_kind, waits_for, shards
      FROM job_rows \(condition)
      """, values)
    let jobs: [Int64] = try rows.map { try RowReader(row: $0, table: "jobs").value("id") }
    var finished: [Int64: [ImageRecord]] = [:]
    var running: [Int64: [ImageProgress]] = [:]
    // Some at a time: there may be a million.
    for start in stride(from: 0, to: jobs.count, by: 10_000) {
      let some = ServerValue.integers(Array(jobs[start..<min(start + 10_000, jobs.count)]))
      for row in try connection.rows("SELECT * FROM images WHERE job = ANY ($1::bigint[])", [some]) {
        finished[try RowReader(row: row, table: "images").value("job"), default: []]
          .append(try ImageRecord(row: row))
      }
      for row in try fleeting("SELECT * FROM progress WHERE job = ANY ($1::bigint[])", [some]) {
        running[try RowReader(row: row, table: "progress").value("job"), default: []]
          .append(try ImageProgress(row: row))
      }
    }
    return try zip(jobs, rows).map { job, row in
      try JobSummary(row: row, finished: finished[job] ?? [], running: running[job] ?? [])
    }
  }

  /// Rows of a table that a crash of the server empties. A server that only follows another has none of them, and says so
  /// by an error.
  func fleeting(_ sql: String, _ values: [ServerValue]) throws -> [Row] {
    do {
      return try connection.rows(sql, values)
    } catch JobStoreError.refused(_, "0A000", _) {
      return []
    }
  }

  /// A text in a pattern of LIKE that stands for itself.
  private static func literal(_ text: String) -> String {
    text.replacing("\\", with: "\\\\").replacing("%", with: "\\%").replacing("_", with: "\\_")
  }
}
