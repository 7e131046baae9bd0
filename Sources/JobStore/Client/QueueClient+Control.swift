import GRDB

/// The result of a cancellation.
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

extension QueueClient {
  /// Cancels a job: at once if it is queued, after the step at hand if it runs. Cancelling twice is no error.
  /// - Throws: `JobStoreError.notFound`, `.wrongState` when it is done or failed.
  package func cancel(job id: Int64) throws -> Cancellation {
    try database.write { db, now in
      let state = try db.state(ofJob: id)
      guard state != .done, state != .failed else {
        throw JobStoreError.wrongState(job: id, state: state, action: "cancelled")
      }
      return try cancel(.job(id), db, now)
    }
  }

  /// Cancels all jobs of a batch that are not over.
  /// - Throws: `JobStoreError.notFound`
  package func cancel(batch: Int64) throws -> Cancellation {
    try database.write { db, now in
      try db.check(batch: batch)
      return try cancel(.batch(batch), db, now)
    }
  }

  private func cancel(_ scope: JobScope, _ db: Database, _ now: Milliseconds) throws -> Cancellation {
    let cancelled = try db.move(.cancel, scope, at: now)
    try db.move(.requestCancel, scope, at: now)
    let stopping = try Int.fetchOne(
      db, sql: "SELECT count(*) FROM jobs WHERE \(scope.sql) AND state = 'running' AND cancel_requested",
      arguments: ["scope": scope.number])
    return Cancellation(cancelled: cancelled, stopping: stopping ?? 0)
  }

  /// Queues a job that is over anew with all its attempts, or lets a waiting one run at once. The pictures of a done
  /// job stay, beside the new ones.
  /// - Throws: `JobStoreError.notFound`, `.wrongState` when it runs.
  package func retry(job id: Int64) throws {
    try database.write { db, now in
      let state = try db.state(ofJob: id)
      let isQueued = state == .queued
      try db.wantAgain(.job(id), at: now)
      guard try db.move(isQueued ? .hurry : .retry, .job(id), at: now) > 0 else {
        throw JobStoreError.wrongState(job: id, state: state, action: "retried")
      }
      try db.retireImages(.job(id))
    }
  }

  /// Queues all failed and cancelled jobs of a batch again.
  /// - Returns: How many.
  /// - Throws: `JobStoreError.notFound`
  package func retry(batch: Int64) throws -> Int {
    try database.write { db, now in
      try db.check(batch: batch)
      try db.wantAgain(.batch(batch), at: now)
      return try db.move(.retryFailed, .batch(batch), at: now)
    }
  }

  /// Pauses a batch or the whole queue, or ends the pause. While paused, no jobs are claimed; running jobs go on.
  /// - Throws: `JobStoreError.notFound`
  package func setPaused(_ paused: Bool, batch: Int64? = nil) throws {
    try database.write { db, now in
      if let batch {
        try db.check(batch: batch)
        try db.execute(sql: "UPDATE batches SET paused = ? WHERE id = ?", arguments: [paused, batch])
        // The jobs are marked too, so that the claim's index has no jobs that must not be taken.
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

  /// Changes the priority of a job that is not over. Higher goes first.
  /// - Throws: `JobStoreError.notFound`, `.wrongState`, `.invalidSetting`
  package func setPriority(_ priority: Int, job id: Int64) throws {
    try database.write { db, now in
      let job = try db.job(id)
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
}
