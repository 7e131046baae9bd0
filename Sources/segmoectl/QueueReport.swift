import JobStore

/// What `status` knows of a queue.
struct QueueReport {
  /// A daemon, and what is known of it besides.
  struct Standing {
    let record: WorkerRecord
    let isAlive: Bool
    /// What it said when it started; nil: nothing.
    let introduction: String?
    /// The models that it cannot load, with the reasons.
    let lacks: [(model: String, reason: String)]
  }

  let path: String
  let place: QueuePlace
  let status: QueueStatus
  /// The newest ones.
  let batches: [BatchRecord]
  let workers: [Standing]
  let fetchers: [FetcherRecord]
  /// What jobs wait for of a hub.
  let waits: [SourceRecord]
  /// Bytes of the write-ahead log.
  let logSize: Int64

  /// How many batches are shown.
  private static let mostBatches = 20
  /// How many sources are.
  private static let mostWaits = 16

  /// - Throws: `JobStoreError`
  init(_ store: any JobQueue, _ place: QueuePlace, now: Milliseconds) throws {
    path = store.path
    self.place = place
    status = try store.status()
    batches = try store.batches(limit: Self.mostBatches)
    let introductions = try store.introductions()
    let lacked = try store.lackedModels()
    workers = try store.workers().map { worker in
      Standing(
        record: worker, isAlive: worker.isAlive(now: now), introduction: introductions[worker.name],
        lacks: lacked.filter { $0.worker == worker.name }.map { (model: $0.model, reason: $0.reason) })
    }
    fetchers = try store.fetchers()
    waits = try store.waits(batch: nil, limit: Self.mostWaits)
    logSize = store.logSize
  }

  /// `status --json`
  static let shape = JSONShape<QueueReport>(
    [
      .value("database") { .string($0.path) },
      .value("found_by") { .string($0.place.source.rawValue) },
      .value("paused") { .bool($0.status.isPaused) },
    ] + QueueJSON.counts.members { $0.status.counts } + [
      .list("batches", QueueJSON.batch) { $0.batches },
      .list("workers", worker) { $0.workers },
      .texts("fetchers") { $0.fetchers.map(\.name) },
      .list("waiting_for", QueueJSON.source) { $0.waits },
      .value("log_bytes") { .integer($0.logSize) },
    ])

  private static let worker = JSONShape<Standing>([
    .value("name") { .string($0.record.name) },
    .value("alive") { .bool($0.isAlive) },
    .value("state") { .string($0.record.state.rawValue) },
    .value("job") { .optional($0.record.job) },
    .value("pid") { .integer($0.record.pid) },
    .value("host") { .string($0.record.host) },
    .value("version") { .string($0.record.version) },
    .value("numerics") { .optional($0.record.numerics) },
    .value("heartbeat_at") { .integer($0.record.heartbeatAt) },
    .value("introduction") { .optional($0.introduction) },
    .texts("lacks") { $0.lacks.map(\.model) },
  ])
}
