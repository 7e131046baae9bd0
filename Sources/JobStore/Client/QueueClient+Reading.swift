import GRDB

/// The queue at a glance.
package struct QueueStatus: Sendable, Equatable {
  package var isPaused: Bool
  package var counts: StateCounts

  /// - Parameters:
  ///   - isPaused: whether nothing new is claimed.
  ///   - counts: of all jobs.
  package init(isPaused: Bool, counts: StateCounts) {
    self.isPaused = isPaused
    self.counts = counts
  }
}

/// Everything that is known about a job.
package struct JobDetails: Sendable, Equatable {
  package var job: JobRecord
  package var summary: JobSummary
  /// The finished images.
  package var images: [ImageRecord]
  /// What happened to it, and to its batch, in order.
  package var events: [Event]
  /// What it names of a hub.
  package var sources: [SourceRecord]

  /// What the store has read of one job.
  package init(
    job: JobRecord, summary: JobSummary, images: [ImageRecord], events: [Event], sources: [SourceRecord]
  ) {
    self.job = job
    self.summary = summary
    self.images = images
    self.events = events
    self.sources = sources
  }
}

extension QueueClient {
  /// Jobs in order of their numbers. If there are more than the limit, the newest ones.
  package func list(_ filter: JobFilter = JobFilter()) throws -> [JobSummary] {
    do {
      return try list(filter, isSearching: true)
    } catch is PromptSearch.Unusable {
      return try list(filter, isSearching: false)
    }
  }

  /// - Parameter isSearching: whether the index of prompts may be used.
  private func list(_ filter: JobFilter, isSearching: Bool) throws -> [JobSummary] {
    try database.read { db in
      let rows: [Row]
      if isSearching, let search = try PromptSearch(filter, db) {
        rows = try search.rows(db)
      } else {
        rows = try JobConditions(filter, db).rows(db, limit: filter.limit)
      }
      return try rows.reversed().map { try summary($0, db) }
    }
  }

  /// Everything about one job.
  /// - Throws: `JobStoreError.notFound`
  package func details(job id: Int64) throws -> JobDetails {
    try database.read { db in
      let job = try db.job(id)
      guard
        let row = try Row.fetchOne(
          db, sql: "SELECT \(JobSummary.columns) FROM jobs WHERE id = ?", arguments: [id])
      else { throw JobStoreError.notFound(thing: "job", id: "\(id)") }
      let images = try ImageRecord.fetchAll(
        db, sql: "SELECT * FROM images WHERE job = ? ORDER BY number", arguments: [id])
      let events = try Event.fetchAll(
        db,
        sql: """
          SELECT * FROM events WHERE job = ?1
          UNION ALL SELECT * FROM events WHERE batch = ?2 AND job IS NULL
          ORDER BY at, id
          """, arguments: [id, job.batch])
      return JobDetails(
        job: job, summary: try summary(row, db), images: images, events: events,
        sources: try db.sources(ofJob: id))
    }
  }

  /// All that a batch's jobs were asked for, in order of their numbers.
  /// - Throws: `JobStoreError.notFound`
  package func jobs(batch id: Int64) throws -> [JobRecord] {
    try database.read { db in
      try db.check(batch: id)
      return try JobRecord.fetchAll(
        db,
        sql: """
          SELECT \(JobRecord.columns) FROM jobs j JOIN batches b ON b.id = j.batch
          WHERE j.id BETWEEN b.first_job AND b.last_job AND b.id = ? ORDER BY j.id
          """, arguments: [id])
    }
  }

  /// Whether the queue is paused, and how many jobs are in each state. It takes the same time for any number of jobs.
  package func status() throws -> QueueStatus {
    try database.read { db in
      guard let row = try Row.fetchOne(db.cachedStatement(sql: "SELECT * FROM queue")) else {
        throw JobStoreError.damagedRow(table: "queue", column: "id", value: "nothing: its one row is missing")
      }
      let reader = RowReader(row: row, table: "queue")
      return QueueStatus(isPaused: try reader.value("paused"), counts: try StateCounts(reader))
    }
  }

  /// A batch with its counts.
  /// - Throws: `JobStoreError.notFound`
  package func batch(_ id: Int64) throws -> BatchRecord {
    try database.read { db in
      let batch = try BatchRecord.fetchOne(
        db.cachedStatement(sql: "SELECT \(BatchRecord.columns) FROM batches WHERE id = ?"), arguments: [id])
      guard let batch else { throw JobStoreError.notFound(thing: "batch", id: "\(id)") }
      return batch
    }
  }

  /// The newest batches, in order of their numbers.
  package func batches(limit: Int) throws -> [BatchRecord] {
    try database.read { db in
      try BatchRecord.fetchAll(
        db, sql: "SELECT \(BatchRecord.columns) FROM batches ORDER BY id DESC LIMIT ?",
        arguments: [max(0, limit)]
      ).reversed()
    }
  }

  /// Batches that wait for others, or for a daemon of a class of numerics, in order of their numbers.
  /// - Parameters:
  ///   - batches: only these; nil: any.
  ///   - limit: at most so many.
  package func waitingBatches(among batches: Set<Int64>? = nil, limit: Int = 16) throws -> [BatchRecord] {
    if batches?.isEmpty == true { return [] }
    // Numbers need no escaping.
    let these = batches.map { "AND id IN (\($0.sorted().map(String.init).joined(separator: ", ")))" } ?? ""
    return try database.read { db in
      try BatchRecord.fetchAll(
        db,
        sql: """
          SELECT * FROM (
            SELECT \(BatchRecord.columns) FROM batches
            WHERE id IN (
              SELECT id FROM batches WHERE after > 0
              UNION SELECT id FROM batches WHERE numerics IS NOT NULL) \(these))
          WHERE waits_for IS NOT NULL ORDER BY id LIMIT ?
          """, arguments: [max(0, limit)])
    }
  }

  /// The number of failed jobs of a batch by the kind of failure.
  package func failures(batch: Int64) throws -> [FailureKind: Int] {
    try database.read { db in
      let rows = try Row.fetchAll(
        db,
        sql: """
          SELECT error_kind, count(*) AS jobs FROM jobs WHERE batch = ? AND state = 'failed'
            AND error_kind IS NOT NULL
          GROUP BY error_kind
          """, arguments: [batch])
      return try FailureKind.counts(rows)
    }
  }

  /// Behind the newest event. Here one transaction writes at a time, so that numbers are in order.
  package func newestEvent() throws -> EventMark {
    try database.read { db in
      EventMark(number: try Int64.fetchOne(db, sql: "SELECT max(id) FROM events") ?? 0)
    }
  }

  /// The events behind a mark, and the mark behind them.
  package func events(after mark: EventMark) throws -> (events: [Event], mark: EventMark) {
    try database.read { db in
      let statement = try db.cachedStatement(sql: "SELECT * FROM events WHERE id > ? ORDER BY id LIMIT ?")
      let rows = try Row.fetchAll(statement, arguments: [mark.number, EventMark.most])
      let last: Int64? = try rows.last.map { try RowReader(row: $0, table: "events").value("id") }
      return (try rows.map { try Event(row: $0) }, EventMark(number: last ?? mark.number))
    }
  }

  /// All workers that ever signed on, by name.
  package func workers() throws -> [WorkerRecord] {
    try database.read { db in try WorkerRecord.fetchAll(db, sql: "SELECT * FROM workers ORDER BY name") }
  }

  /// What each worker said of itself when it started last: version, process and memory budget. By the worker's name.
  package func introductions() throws -> [String: String] {
    try database.read { db in
      try Dictionary(
        uniqueKeysWithValues: Row.fetchAll(
          db,
          sql: """
            SELECT name, (SELECT detail FROM events WHERE what = 'worker_started' AND worker = name
              ORDER BY id DESC LIMIT 1) AS detail FROM workers
            """
        ).compactMap { row in
          let reader = RowReader(row: row, table: "workers")
          let (name, detail): (String, String?) = (try reader.value("name"), try reader.optional("detail"))
          return detail.map { (name, $0) }
        })
    }
  }

  /// Models that workers lack, by worker and model, with the reasons.
  package func lackedModels() throws -> [(worker: String, model: String, reason: String)] {
    try database.read { db in
      let rows = try Row.fetchAll(
        db,
        sql: """
          SELECT worker, substr(model, 1, 1000) AS model, substr(reason, 1, 2000) AS reason FROM lacking_models
          ORDER BY worker, model LIMIT 1000
          """)
      return try rows.map { row in
        let reader = RowReader(row: row, table: "lacking_models")
        return (try reader.value("worker"), try reader.value("model"), try reader.value("reason"))
      }
    }
  }

  /// The checkpoint of an image of an unfinished job; nil if there is none.
  package func checkpoint(job: Int64, index: Int) throws -> Checkpoint? {
    try database.read { db in
      let row = try Row.fetchOne(
        db.cachedStatement(sql: "SELECT * FROM checkpoints WHERE job = ? AND number = ?"),
        arguments: [job, index])
      return try row.map { try Checkpoint(row: $0) }
    }
  }

  private func summary(_ row: Row, _ db: Database) throws -> JobSummary {
    let id: Int64 = try RowReader(row: row, table: "jobs").value("id")
    let images = try db.cachedStatement(sql: "SELECT * FROM images WHERE job = ?")
    let progress = try db.cachedStatement(sql: "SELECT * FROM progress WHERE job = ?")
    return try JobSummary(
      row: row, finished: ImageRecord.fetchAll(images, arguments: [id]),
      // A row that no daemon wrote is no progress. It must not hide the jobs.
      running: Row.fetchAll(progress, arguments: [id]).compactMap { try? ImageProgress(row: $0) })
  }
}
