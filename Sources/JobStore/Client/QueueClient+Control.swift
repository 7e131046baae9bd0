import GRDB

/// The result of a cancellation, or what it would be.
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
  /// - Parameters:
  ///   - id: the job's number.
  ///   - discard: whether its finished pictures go, too. A daemon removes them.
  /// - Throws: `JobStoreError.notFound`, `.wrongState` when it is done or failed.
  package func cancel(job id: Int64, discard: Bool = false) throws -> Cancellation {
    try cancel(.job(id), discard: discard)
  }

  /// Cancels all jobs of a batch that are not over.
  /// - Parameters:
  ///   - batch: its number.
  ///   - discard: whether the finished pictures of its cancelled jobs go, too.
  /// - Throws: `JobStoreError.notFound`
  package func cancel(batch: Int64, discard: Bool = false) throws -> Cancellation {
    try cancel(.batch(batch), discard: discard)
  }

  /// Cancels the jobs of a scope.
  /// - Throws: as `cancel(job:discard:)` and `cancel(batch:discard:)`.
  package func cancel(_ scope: JobScope, discard: Bool) throws -> Cancellation {
    try database.write { db, now in
      try expectCancellable(scope, db)
      if discard {
        try db.execute(
          sql:
            "UPDATE jobs SET discard = 1 WHERE \(scope.sql) AND state IN ('queued', 'running', 'cancelled')",
          arguments: ["scope": scope.number])
        try db.reopenImages(scope, of: [.cancelled], at: now)
      }
      let cancelled = try db.move(.cancel, scope, at: now)
      try db.move(.requestCancel, scope, at: now)
      return Cancellation(cancelled: cancelled, stopping: try stopping(scope, db))
    }
  }

  /// What `cancel` would do, and the finished pictures of the jobs that it is about.
  /// - Throws: as `cancel`.
  package func cancellation(of scope: JobScope) throws -> (outcome: Cancellation, pictures: [String]) {
    try database.read { db in
      try expectCancellable(scope, db)
      let cancelled = try count(.cancel, scope, db)
      let stopping = try stopping(scope, db) + count(.requestCancel, scope, db)
      return (
        Cancellation(cancelled: cancelled, stopping: stopping),
        try finishedPictures(scope, of: [.queued, .running, .cancelled], db)
      )
    }
  }

  private func expectCancellable(_ scope: JobScope, _ db: Database) throws {
    switch scope {
    case .batch(let number): try db.check(batch: number)
    case .source: return
    case .job(let id):
      let state = try db.state(ofJob: id)
      guard state != .done, state != .failed else {
        throw JobStoreError.wrongState(job: id, state: state, action: "cancelled")
      }
    }
  }

  private func stopping(_ scope: JobScope, _ db: Database) throws -> Int {
    try Int.fetchOne(
      db, sql: "SELECT count(*) FROM jobs WHERE \(scope.sql) AND state = 'running' AND cancel_requested",
      arguments: ["scope": scope.number]) ?? 0
  }

  /// How many jobs may make a move that needs no argument.
  private func count(_ name: Transition.Name, _ scope: JobScope, _ db: Database) throws -> Int {
    try Int.fetchOne(
      db, sql: "SELECT count(*) FROM jobs WHERE \(scope.sql) AND \(Transition[name].condition)",
      arguments: ["scope": scope.number]) ?? 0
  }

  /// The files of finished pictures of jobs in some states, in order.
  private func finishedPictures(_ scope: JobScope, of states: [JobState], _ db: Database) throws -> [String] {
    let words = states.map { "'\($0.rawValue)'" }.joined(separator: ", ")
    let jobs = "(SELECT id FROM jobs WHERE \(scope.sql) AND state IN (\(words)))"
    return try String.fetchAll(
      db,
      sql: """
        SELECT path FROM (
          SELECT job, number, path FROM images WHERE job IN \(jobs)
          UNION SELECT job, number, path FROM checkpoints WHERE path IS NOT NULL AND job IN \(jobs))
        ORDER BY job, number
        """, arguments: ["scope": scope.number])
  }

  /// Queues a job that is over anew with all its attempts, or lets a waiting one run at once. The pictures of a done
  /// job stay, beside the new ones; those of a failed or cancelled one need not be rendered again.
  /// - Throws: `JobStoreError.notFound`, `.wrongState` when it runs, `.shards` when it is in shards.
  package func retry(job id: Int64) throws { _ = try retry(.job(id)) }

  /// Queues all failed and cancelled jobs of a batch again, and lets those go that wait for a class of numerics which no
  /// daemon is of.
  /// - Returns: How many.
  /// - Throws: `JobStoreError.notFound`
  package func retry(batch: Int64) throws -> Int { try retry(.batch(batch)) }

  /// Queues the jobs of a scope again.
  /// - Returns: How many.
  /// - Throws: as `retry(job:)` and `retry(batch:)`.
  package func retry(_ scope: JobScope) throws -> Int {
    try database.write { db, now in
      let move = try retryMove(scope, db)
      try db.reopenImages(scope, of: [.failed, .cancelled], at: now)
      try db.wantAgain(scope, at: now)
      let stranded = try stranded(scope, db)
      let count = try db.move(move, scope, at: now) + stranded
      if case .batch(let number) = scope { try db.unpinStranded(batch: number, at: now) }
      if case .job(let id) = scope, count == 0 { throw try notRetried(id, db) }
      try db.retireImages(scope)
      return count
    }
  }

  /// How many jobs `retry` would queue, and their finished pictures, which stay.
  /// - Throws: as `retry`.
  package func retrial(of scope: JobScope) throws -> (count: Int, pictures: [String]) {
    try database.read { db in
      let move = try retryMove(scope, db)
      let count = try count(move, scope, db) + stranded(scope, db)
      if case .job(let id) = scope, count == 0 { throw try notRetried(id, db) }
      return (count, try finishedPictures(scope, of: Transition[move].from, db))
    }
  }

  private func stranded(_ scope: JobScope, _ db: Database) throws -> Int {
    guard case .batch(let number) = scope else { return 0 }
    return try db.strandedJobs(ofBatch: number)
  }

  /// Why a job cannot be retried.
  private func notRetried(_ id: Int64, _ db: Database) throws -> JobStoreError {
    let job = try db.job(id)
    guard job.state != .queued else {
      return .retriedInShards(job: id, batch: job.batch)
    }
    return .wrongState(job: id, state: job.state, action: "retried")
  }

  private func retryMove(_ scope: JobScope, _ db: Database) throws -> Transition.Name {
    switch scope {
    case .job(let id): return try db.state(ofJob: id) == .queued ? .hurry : .retry
    case .batch(let number):
      try db.check(batch: number)
      return .retryFailed
    case .source: return .retryFailed
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
  /// - Throws: `JobStoreError.notFound`, `.wrongState`, `RequestError`
  package func setPriority(_ priority: Int, job id: Int64) throws {
    try database.write { db, now in
      let job = try reorderable(id, priority, db)
      try db.execute(sql: "UPDATE jobs SET priority = ? WHERE id = ?", arguments: [priority, id])
      try db.record(
        Event(
          .reordered, at: now, batch: job.batch, job: id,
          detail: "priority \(job.request.priority) to \(priority)"))
    }
  }

  /// The priority that a job has before `setPriority` gives it another.
  /// - Throws: as `setPriority`.
  package func priority(ofJob id: Int64, before priority: Int) throws -> Int {
    try database.read { db in try reorderable(id, priority, db).request.priority }
  }

  /// A job as it is, if it may have another priority.
  private func reorderable(_ id: Int64, _ priority: Int, _ db: Database) throws -> JobRecord {
    let job = try db.job(id)
    guard job.state.isOpen else {
      throw JobStoreError.wrongState(job: id, state: job.state, action: "reordered")
    }
    var request = job.request
    request.priority = priority
    try request.validate()
    return job
  }
}
