import Foundation
import GRDB
import JobStore
import PostgresStore
import Requests
import TestSupport
import Testing

/// An empty queue in one of the stores.
struct TestStore: Sendable {
  let client: any JobQueue
  /// A worker that signs on, on a connection of its own.
  let signOn: @Sendable (WorkerRecord, _ leaseSeconds: Double) throws -> any JobWorker
  /// A fetcher that signs on, on a connection of its own; the last says whether others of its host still run.
  let signOnFetcher: @Sendable (FetcherRecord, _ othersLive: Bool) throws -> any JobFetcher
  private let folder: TemporaryFolder?
  /// Of the server, without a pooler.
  private let address: String?

  init(_ kind: StoreKind) throws {
    switch kind {
    case .sqlite:
      let folder = try TemporaryFolder()
      self.folder = folder
      address = nil
      client = QueueClient(try QueueDatabase.open(path: folder.file("queue.sqlite"), role: .daemon))
      signOn = { worker, seconds in
        try WorkerSession.signOn(
          QueueDatabase.open(path: folder.file("queue.sqlite"), role: .daemon), worker, leaseSeconds: seconds
        ) { _ in true }
      }
      signOnFetcher = { fetcher, othersLive in
        try FetcherSession.signOn(
          QueueDatabase.open(path: folder.file("queue.sqlite"), role: .client), fetcher
        ) { _ in othersLive }
      }
    case .postgresql, .pooled:
      folder = nil
      let direct = try PostgresServer.shared().newDatabase()
      self.address = direct
      let address = try ServerAddress(
        kind == .pooled ? PostgresBouncer.shared().address(direct) : direct)
      client = PostgresClient(try PostgresDatabase.open(address, role: .client))
      signOn = { worker, seconds in
        try PostgresSession.signOn(
          PostgresDatabase.open(address, role: .daemon), worker, leaseSeconds: seconds
        ) { _ in true }
      }
      signOnFetcher = { fetcher, othersLive in
        try PostgresFetcher.signOn(PostgresDatabase.open(address, role: .client), fetcher) { _ in othersLive }
      }
    }
  }

  /// A worker that signs on. Its leases are long: nothing is lost because a busy machine stood still.
  func worker(
    _ name: String = "w", pid: Int = 10, class numerics: String? = nil, lease seconds: Double = 3600,
    host: String = "h"
  ) throws -> any JobWorker {
    try signOn(WorkerRecord(name: name, pid: pid, host: host, version: "1", numerics: numerics), seconds)
  }

  func fetcher(pid: Int = 20, host: String = "h", othersLive: Bool = true) throws -> any JobFetcher {
    try signOnFetcher(FetcherRecord(pid: pid, host: host, version: "1"), othersLive)
  }

  /// What a person sees of a job who looks into the view.
  func overview(_ column: String = "state", _ job: Int64 = 1) throws -> String? {
    try sql("SELECT \(column) FROM job_overview WHERE id = \(job)").first
  }

  /// What a person at sqlite3 or psql would do. Rows are their first columns.
  @discardableResult
  func sql(_ statement: String) throws -> [String] {
    if let address { return try PostgresServer.sql(at: address, statement) }
    guard let folder else { return [] }
    return try DatabaseQueue(path: folder.file("queue.sqlite")).write { db in
      guard statement.hasPrefix("SELECT") else {
        try db.execute(sql: statement)
        return []
      }
      return try String.fetchAll(db, sql: statement)
    }
  }

  @discardableResult
  func enqueue(_ prompts: String..., model: String = "demo", priority: Int = 0) throws -> EnqueuedBatch {
    try client.enqueue(BatchRequest(), prompts.map { request($0, model: model, priority: priority) })
  }

  func state(_ job: Int64) throws -> JobState { try client.details(job: job).job.state }
}

extension JobQueue {
  /// Puts a list of requests into the queue.
  @discardableResult
  func enqueue(_ batch: BatchRequest, _ requests: [JobRequest]) throws -> EnqueuedBatch {
    try enqueue(batch, requests: requests)
  }
}

extension JobWorker {
  func claim(
    preferring models: [String] = [], avoiding lacked: Set<String> = [], files: Set<String> = [],
    patience: Double = 300, limits: RenderLimits = RenderLimits()
  ) throws -> ClaimedJob? {
    try claim(
      preferredModels: models, avoiding: .init(models: lacked, files: files), modelPatience: patience,
      numericsPatience: 120, limits: limits)
  }

  /// Asks for a job until there is one.
  func awaitJob() throws -> ClaimedJob {
    while true {
      if let job = try claim() { return job }
      usleep(20_000)
    }
  }

  /// Renders nothing, and records it.
  func finish(_ claimed: ClaimedJob) throws {
    try finish(
      claimed.lease, images: (0..<claimed.request.render.count).map { image($0, of: claimed.lease.job) },
      statistics: RenderStatistics(), modelDigest: "d")
  }
}

func request(_ prompt: String, model: String = "demo", priority: Int = 0, count: Int = 1) -> JobRequest {
  var settings = RenderRequest(model: model, prompt: prompt)
  settings.count = count
  (settings.width, settings.height) = (512, 512)
  var request = JobRequest(settings)
  request.priority = priority
  return request
}

func image(_ index: Int, of job: Int64) -> ImageRecord {
  ImageRecord(
    index: index, path: "/out/\(job)-\(index).png", seed: UInt64.max - UInt64(index), width: 512, height: 512,
    digest: String(repeating: "a", count: 64), bytes: 1000, seconds: 2.5, numerics: "1/avx2")
}

/// The store's error that `body` ends with; anything else fails the test.
func storeError(_ body: () throws -> Void, _ location: SourceLocation = #_sourceLocation) -> JobStoreError? {
  do {
    try body()
    Issue.record("no error", sourceLocation: location)
  } catch let error as JobStoreError {
    return error
  } catch {
    Issue.record("\(error)", sourceLocation: location)
  }
  return nil
}
