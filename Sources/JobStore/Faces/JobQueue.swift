/// The queue for clients, whatever keeps it: put jobs in, read them, cancel, retry and so on. It can neither claim a job
/// nor record its result; that needs a `JobWorker`.
///
/// Calls block, so keep them off threads that must not wait and off Swift's cooperative pool. Every method throws
/// `JobStoreError`, and what a caller's own closure throws.
package protocol JobQueue: WatchableQueue, InspectableQueue, ShardableQueue {
  /// Where the queue is, for a person; no password is in it.
  var path: String { get }

  /// Bytes of the log that has yet to be copied into the database; 0 for a store that has none.
  var logSize: Int64 { get }

  /// Puts a batch of requests into the queue: all of them or, on any error, none.
  /// - Parameters:
  ///   - batch: its name and key, what it comes after, and how its pictures are named.
  ///   - next: the next request, nil at the end; its errors end the enqueue and come through.
  /// - Throws: `RequestError`, `JobStoreError.emptyBatch`, `.keyReused`, `.notFound`, `.ambiguous`
  func enqueue(_ batch: BatchRequest, next: () throws -> JobRequest?) throws -> EnqueuedBatch

  /// Cancels the jobs of a scope that are not over: queued ones at once, running ones after the step at hand.
  /// - Parameters:
  ///   - scope: a job or a batch.
  ///   - discard: whether their finished pictures go, too.
  /// - Throws: `JobStoreError.notFound`, `.wrongState`
  func cancel(_ scope: JobScope, discard: Bool) throws -> Cancellation

  /// What `cancel` would do, and the finished pictures of the jobs that it is about.
  func cancellation(of scope: JobScope) throws -> (outcome: Cancellation, pictures: [String])

  /// Queues a job that is over again, lets a queued one wait no longer, or queues all failed and cancelled jobs of a batch.
  /// - Returns: how many.
  func retry(_ scope: JobScope) throws -> Int

  /// How many jobs `retry` would queue, and their finished pictures, which stay.
  func retrial(of scope: JobScope) throws -> (count: Int, pictures: [String])

  /// Pauses a batch or, for nil, the whole queue, or ends the pause.
  func setPaused(_ paused: Bool, batch: Int64?) throws

  /// Changes the priority of a job that is not over. Higher goes first.
  func setPriority(_ priority: Int, job id: Int64) throws

  /// The priority that a job has before `setPriority` gives it another.
  func priority(ofJob id: Int64, before priority: Int) throws -> Int

  /// Changes the settings of a job that waits and has not begun. It has all its attempts again.
  /// - Parameters:
  ///   - id: the job's number.
  ///   - change: gets the request, and makes it another. It may be called more than once.
  /// - Throws: `JobStoreError.notFound`, `.notEditable`, `RequestError`, and what `change` throws.
  func edit(job id: Int64, _ change: (inout JobRequest) throws -> Void) throws -> JobEdit

  /// What `edit` would change. What the job would wait for is not said.
  func plannedEdit(job id: Int64, _ change: (inout JobRequest) throws -> Void) throws -> JobEdit

  /// Removes jobs that are over, with all that is known of them, some at a time, so that nobody waits long.
  /// - Parameters:
  ///   - retention: which.
  ///   - atOnce: jobs per transaction.
  ///   - removeFiles: called for each job before its rows go. If it throws, the purge ends and keeps that job and the
  ///     later ones.
  /// - Returns: how many jobs were removed.
  func purge(_ retention: Retention, atOnce: Int, removeFiles: (ExpiredJob) throws -> Void) throws -> Int

  /// The jobs that `purge` would remove, the oldest of each state first.
  func expired(_ retention: Retention, limit: Int) throws -> [ExpiredJob]

  /// How many jobs `purge` would remove.
  func expiredCount(_ retention: Retention) throws -> Int

  /// Jobs in order of their numbers. If there are more than the limit, the newest ones.
  func list(_ filter: JobFilter) throws -> [JobSummary]

  /// Everything about one job.
  func details(job id: Int64) throws -> JobDetails

  /// Whether the queue is paused, and how many jobs are in each state.
  func status() throws -> QueueStatus

  /// What there is to do, for whoever watches the queue.
  func gauges() throws -> QueueGauges

  /// A batch with its counts.
  func batch(_ id: Int64) throws -> BatchRecord

  /// The newest batches, in order of their numbers.
  func batches(limit: Int) throws -> [BatchRecord]

  /// The number of a batch that somebody names: by its number, its name, or the beginning of its name.
  func batchNumber(_ text: String) throws -> Int64

  /// The checkpoint of an image of an unfinished job; nil if there is none.
  func checkpoint(job: Int64, index: Int) throws -> Checkpoint?

  /// What each worker said of itself when it started last, by its name.
  func introductions() throws -> [String: String]

  /// Models that workers lack, by worker and model, with the reasons.
  func lackedModels() throws -> [(worker: String, model: String, reason: String)]

  /// The models that the queue's daemons have said that they have.
  func knownModels() throws -> KnownModels

  /// What jobs wait for of a hub.
  /// - Parameters:
  ///   - batch: only jobs of this batch and of those that it waits for; nil: any.
  ///   - limit: at most so many.
  func waits(batch: Int64?, limit: Int) throws -> [SourceRecord]

  /// The fetchers that are alive.
  func fetchers() throws -> [FetcherRecord]
}

extension JobQueue {
  /// Puts a sequence of requests into the queue.
  package func enqueue(_ batch: BatchRequest, requests: some Sequence<JobRequest>) throws -> EnqueuedBatch {
    var iterator = requests.makeIterator()
    return try enqueue(batch) { iterator.next() }
  }

  /// Whether a batch or, for nil, the whole queue is paused, and how many jobs of it are queued.
  /// - Throws: `JobStoreError.notFound`
  package func pause(batch: Int64?) throws -> (isPaused: Bool, queued: Int) {
    if let batch {
      let record = try self.batch(batch)
      return (record.isPaused, record.counts.queued)
    }
    let status = try status()
    return (status.isPaused, status.counts.queued)
  }
}

extension QueueClient: JobQueue {}
