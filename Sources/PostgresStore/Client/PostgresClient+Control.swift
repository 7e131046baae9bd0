import GRDB
import JobStore

extension PostgresClient {
  /// Cancels the jobs of a scope that are not over.
  package func cancel(_ scope: JobScope, discard: Bool) throws -> Cancellation {
    try expectCancellable(scope)
    let row = try database.row(
      "SELECT cancelled, stopping FROM cancel_jobs($1::bigint, $2::bigint, $3::text = '1')",
      try range(of: scope) + [.flag(discard)])
    return try Cancellation(row)
  }

  /// What `cancel` would do, and the finished pictures of the jobs that it is about.
  package func cancellation(of scope: JobScope) throws -> (outcome: Cancellation, pictures: [String]) {
    try expectCancellable(scope)
    let range = try range(of: scope)
    let row = try database.row(
      """
      SELECT count(*) FILTER (WHERE state = 'queued') AS cancelled,
        count(*) FILTER (WHERE state = 'running') AS stopping
      FROM job_rows WHERE id BETWEEN $1::bigint AND $2::bigint
      """, range)
    return (try Cancellation(row), try finishedPictures(range, of: [.queued, .running, .cancelled]))
  }

  private func expectCancellable(_ scope: JobScope) throws {
    switch scope {
    case .batch(let number): try check(batch: number)
    case .source: return
    case .job(let id):
      let state = try state(ofJob: id)
      guard state != .done, state != .failed else {
        throw JobStoreError.wrongState(job: id, state: state, action: "cancelled")
      }
    }
  }

  /// The files of finished pictures of jobs in some states, in order.
  private func finishedPictures(_ range: [ServerValue], of states: [JobState]) throws -> [String] {
    try connection.rows(
      """
      SELECT path FROM (
        SELECT job, number, path FROM images
        UNION SELECT job, number, path FROM checkpoints WHERE path IS NOT NULL) p
      WHERE job BETWEEN $1::bigint AND $2::bigint
        AND job IN (SELECT id FROM job_rows WHERE id BETWEEN $1::bigint AND $2::bigint AND state = ANY ($3::text[]))
      ORDER BY job, number
      """, range + [.texts(states.map(\.rawValue))]
    ).map { try RowReader(row: $0, table: "images").value("path") }
  }

  /// Queues jobs of a scope again.
  package func retry(_ scope: JobScope) throws -> Int {
    if case .job(let id) = scope {
      let state = try state(ofJob: id)
      let isQueued =
        state == .queued
        ? try database.row("SELECT hurry_job($1::bigint)::integer AS count", [.integer(id)])
        : try database.row(
          "SELECT retry_jobs($1::bigint, $1::bigint, true)::integer AS count", [.integer(id)])
      let count: Int = try RowReader(row: isQueued, table: "jobs").value("count")
      guard count > 0 else { throw notRetried(try job(id)) }
      return count
    }
    let row = try database.row(
      """
      SELECT (retry_jobs($1::bigint, $2::bigint, false) + coalesce(unpin_stranded($3::bigint), 0))::integer AS count
      """, try range(of: scope) + [.integer(scope.batch)])
    return try RowReader(row: row, table: "jobs").value("count")
  }

  /// How many jobs `retry` would queue, and their finished pictures.
  package func retrial(of scope: JobScope) throws -> (count: Int, pictures: [String]) {
    let range = try range(of: scope)
    var states: [JobState] = [.failed, .cancelled]
    if case .job(let id) = scope {
      let job = try job(id)
      guard job.state != .running, job.state != .queued || !job.isInShards else { throw notRetried(job) }
      states = job.state == .queued ? [.queued] : [.failed, .cancelled, .done]
    }
    let row = try database.row(
      """
      SELECT (coalesce(stranded_jobs($4::bigint), 0) + (
        SELECT count(*) FROM job_rows
        WHERE id BETWEEN $1::bigint AND $2::bigint AND state = ANY ($3::text[])))::integer AS count
      """, range + [.texts(states.map(\.rawValue)), .integer(scope.batch)])
    return (
      try RowReader(row: row, table: "jobs").value("count"), try finishedPictures(range, of: states)
    )
  }

  /// Why a job cannot be retried.
  private func notRetried(_ job: JobRecord) -> JobStoreError {
    job.state == .queued
      ? .retriedInShards(job: job.id, batch: job.batch)
      : .wrongState(job: job.id, state: job.state, action: "retried")
  }

  /// Pauses a batch or the whole queue, or ends the pause.
  package func setPaused(_ paused: Bool, batch: Int64?) throws {
    guard let batch else {
      _ = try connection.rows("SELECT pause_queue($1::text = '1')", [.flag(paused)])
      return
    }
    let row = try database.row(
      "SELECT pause_batch($1::bigint, $2::text = '1') AS found", [.integer(batch), .flag(paused)])
    guard try RowReader(row: row, table: "batches").value("found") else {
      throw JobStoreError.notFound(thing: "batch", id: "\(batch)")
    }
  }

  /// Changes the priority of a job that is not over.
  package func setPriority(_ priority: Int, job id: Int64) throws {
    _ = try self.priority(ofJob: id, before: priority)
    let row = try database.row(
      "SELECT reorder_job($1::bigint, $2::integer) AS found", [.integer(id), .integer(Int64(priority))])
    guard try RowReader(row: row, table: "jobs").value("found") else {
      throw JobStoreError.wrongState(job: id, state: try state(ofJob: id), action: "reordered")
    }
  }

  /// The priority that a job has before another is given.
  package func priority(ofJob id: Int64, before priority: Int) throws -> Int {
    let job = try job(id)
    guard job.state.isOpen else {
      throw JobStoreError.wrongState(job: id, state: job.state, action: "reordered")
    }
    var request = job.request
    request.priority = priority
    try request.validate()
    return job.request.priority
  }
}

extension Cancellation {
  fileprivate init(_ row: Row) throws {
    let reader = RowReader(row: row, table: "jobs")
    self.init(cancelled: try reader.value("cancelled"), stopping: try reader.value("stopping"))
  }
}
