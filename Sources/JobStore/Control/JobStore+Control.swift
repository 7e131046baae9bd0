import GRDB

/// What a cancellation came to.
package struct Cancellation: Sendable, Equatable {
  /// Jobs that were queued and now are cancelled.
  package var cancelled: Int
  /// Running jobs that their workers will end within a step.
  package var stopping: Int

  package init(cancelled: Int, stopping: Int) {
    self.cancelled = cancelled
    self.stopping = stopping
  }
}

extension JobStore {
  /// Cancels a job: at once when it is queued, within a step when it runs. Cancelling twice is no error.
  /// - Throws: `JobStoreError.notFound`, `.wrongState` when it is done or failed.
  package func cancel(job id: Int64) throws -> Cancellation {
    try write { db, now in
      let state = try state(of: id, db)
      guard state != .done, state != .failed else {
        throw JobStoreError.wrongState(job: id, state: state, action: "cancelled")
      }
      return try cancel(where: "id = ?", [id], db, now)
    }
  }

  /// Cancels all jobs of a batch that are not over.
  /// - Throws: `JobStoreError.notFound`
  package func cancel(batch: Int64) throws -> Cancellation {
    try write { db, now in
      try check(batch: batch, db)
      return try cancel(where: "batch = ?", [batch], db, now)
    }
  }

  private func cancel(
    where condition: String, _ arguments: StatementArguments, _ db: Database, _ now: Milliseconds
  ) throws -> Cancellation {
    // Events first: they need to know which rows the updates will change.
    try db.execute(
      sql: """
        INSERT INTO events (at, batch, job, what)
        SELECT ?, batch, id, iif(state = 'queued', 'cancelled', 'cancel_requested') FROM jobs
        WHERE \(condition) AND (state = 'queued' OR (state = 'running' AND NOT cancel_requested))
        """, arguments: [now] + arguments)
    try db.execute(
      sql: """
        UPDATE jobs SET state = 'cancelled', finished_at = ?, run_after = NULL
        WHERE \(condition) AND state = 'queued'
        """, arguments: [now] + arguments)
    let cancelled = db.changesCount
    try db.execute(
      sql: "UPDATE jobs SET cancel_requested = 1 WHERE \(condition) AND state = 'running'",
      arguments: arguments)
    return Cancellation(cancelled: cancelled, stopping: db.changesCount)
  }

  /// Queues a failed or cancelled job anew with all its attempts, or lets a waiting one run at once.
  /// - Throws: `JobStoreError.notFound`, `.wrongState` when it runs or is done.
  package func retry(job id: Int64) throws {
    try write { db, now in
      let state = try state(of: id, db)
      guard state == .failed || state == .cancelled || state == .queued else {
        throw JobStoreError.wrongState(job: id, state: state, action: "retried")
      }
      _ = try retry(where: "id = ?", [id], db, now)
    }
  }

  /// Queues all failed and cancelled jobs of a batch anew.
  /// - Returns: How many.
  /// - Throws: `JobStoreError.notFound`
  package func retry(batch: Int64) throws -> Int {
    try write { db, now in
      try check(batch: batch, db)
      return try retry(where: "batch = ? AND state IN ('failed', 'cancelled')", [batch], db, now)
    }
  }

  private func retry(
    where condition: String, _ arguments: StatementArguments, _ db: Database, _ now: Milliseconds
  ) throws -> Int {
    try db.execute(
      sql:
        "INSERT INTO events (at, batch, job, what) SELECT ?, batch, id, 'retried' FROM jobs WHERE \(condition)",
      arguments: [now] + arguments)
    try db.execute(
      sql: """
        UPDATE jobs SET state = 'queued', attempts = 0, losses = 0, run_after = NULL, cancel_requested = 0,
          error = NULL, error_kind = NULL, started_at = NULL, finished_at = NULL
        WHERE \(condition)
        """, arguments: arguments)
    return db.changesCount
  }

  /// Stops claims (running jobs go on) or allows them again: of one batch, or of the whole queue.
  /// - Throws: `JobStoreError.notFound`
  package func setPaused(_ paused: Bool, batch: Int64? = nil) throws {
    try write { db, now in
      if let batch {
        try check(batch: batch, db)
        try db.execute(sql: "UPDATE batches SET paused = ? WHERE id = ?", arguments: [paused, batch])
        // On the jobs too, so that the claim's index doesn't hold any that it must not take.
        let bit = Hold.batch.rawValue
        try db.execute(
          sql: "UPDATE jobs SET held = \(paused ? "held | \(bit)" : "held & ~\(bit)") WHERE batch = ?",
          arguments: [batch])
      } else {
        try db.execute(sql: "UPDATE queue SET paused = ?", arguments: [paused])
      }
      try db.record(Event(paused ? .paused : .resumed, at: now, batch: batch))
    }
  }

  /// Moves a job that is not over forward (higher) or back.
  /// - Throws: `JobStoreError.notFound`, `.wrongState`, `.invalidSetting`
  package func setPriority(_ priority: Int, job id: Int64) throws {
    try write { db, now in
      let job = try job(id, db)
      guard job.state.isOpen else {
        throw JobStoreError.wrongState(job: id, state: job.state, action: "reordered")
      }
      var request = job.request
      request.priority = priority
      try request.validate()
      try db.execute(sql: "UPDATE jobs SET priority = ? WHERE id = ?", arguments: [priority, id])
      try db.record(
        Event(
          .reordered, at: now, batch: job.batch, job: id,
          detail: "priority \(job.request.priority) to \(priority)"))
    }
  }

  private func state(of id: Int64, _ db: Database) throws -> JobState {
    guard let row = try Row.fetchOne(db, sql: "SELECT state FROM jobs WHERE id = ?", arguments: [id]) else {
      throw JobStoreError.notFound(thing: "job", id: "\(id)")
    }
    return try RowReader(row: row, table: "jobs").word("state")
  }

  func check(batch: Int64, _ db: Database) throws {
    let row = try Row.fetchOne(db, sql: "SELECT 1 FROM batches WHERE id = ?", arguments: [batch])
    guard row != nil else { throw JobStoreError.notFound(thing: "batch", id: "\(batch)") }
  }
}
