import Foundation
import GRDB
import JobStore
import Requests
import Synchronization
import TestSupport
import Testing

/// A queue in a folder of its own, with a clock that only the test moves.
final class TestQueue: Sendable {
  private let place: TemporaryFolder
  let database: QueueDatabase
  private let time: Clock
  private let sessions = Mutex<[String: WorkerSession]>([:])

  var folder: String { place.path }
  var path: String { place.file("queue.sqlite") }
  var client: QueueClient { QueueClient(database) }

  init() throws {
    place = try TemporaryFolder()
    let time = Clock()
    self.time = time
    database = try QueueDatabase.open(path: place.file("queue.sqlite"), role: .daemon) { time.now }
  }

  /// The session of a worker, which signs on when it is first asked for.
  func session(_ name: String = "w") throws -> WorkerSession {
    if let session = sessions.withLock({ $0[name] }) { return session }
    return try signOn(WorkerRecord(name: name, pid: 10, host: "h", version: "1"))
  }

  /// A worker signs on, perhaps anew.
  @discardableResult
  func signOn(
    _ worker: WorkerRecord, introduction: String? = nil,
    processIsAlive: (WorkerRecord) -> Bool = { _ in true }
  ) throws -> WorkerSession {
    let session = try WorkerSession.signOn(
      database, worker, leaseSeconds: 60, introduction: introduction, processIsAlive: processIsAlive)
    sessions.withLock { $0[worker.name] = session }
    return session
  }

  /// A fetcher that signs on.
  func fetcher(pid: Int = 20, host: String = "h", isAlive: Bool = true) throws -> FetcherSession {
    try FetcherSession.signOn(database, FetcherRecord(pid: pid, host: host, version: "1")) { _ in isAlive }
  }

  /// A client on another connection with the same clock, as another process would have.
  func another() throws -> QueueClient {
    let time = time
    return try QueueClient.open(path: path) { time.now }
  }

  /// A worker on another connection. How long it has been there it knows by the real clock: one with a long lease is young for
  /// as long.
  func anotherSession(
    _ name: String, lease seconds: Double = 60, trace: (@Sendable (String) -> Void)? = nil
  ) throws -> WorkerSession {
    let time = time
    let database = try QueueDatabase.open(path: path, role: .daemon, clock: { time.now }, trace: trace)
    return try WorkerSession.signOn(
      database, WorkerRecord(name: name, pid: 11, host: "h", version: "1"), leaseSeconds: seconds
    ) { _ in false }
  }

  var now: Milliseconds { time.now.milliseconds }

  func pass(seconds: Double) { time.pass(seconds) }

  /// A batch of plain prompts.
  @discardableResult
  func enqueue(_ prompts: String..., model: String = "demo", priority: Int = 0) throws -> EnqueuedBatch {
    try client.enqueue(
      BatchRequest(),
      requests: prompts.map { request($0, model: model, priority: priority) })
  }

  func claim(_ worker: String = "w", preferring models: [String] = []) throws -> ClaimedJob? {
    try session(worker).claim(preferredModels: models)
  }

  func state(_ job: Int64) throws -> JobState { try client.details(job: job).job.state }

  /// What a person at sqlite3 would do.
  func sql<Value: Sendable>(_ body: @Sendable (Database) throws -> Value) throws -> Value {
    var patient = Configuration()
    patient.busyMode = .timeout(Patience.seconds)
    return try DatabaseQueue(path: path, configuration: patient).write(body)
  }
}

final class Clock: Sendable {
  private let date = Mutex(Date(milliseconds: 1_800_000_000_000))

  var now: Date { date.withLock { $0 } }

  func pass(_ seconds: Double) { date.withLock { $0 += seconds } }
}

func request(_ prompt: String, model: String = "demo", priority: Int = 0, count: Int = 1) -> JobRequest {
  var settings = RenderRequest(model: model)
  settings.count = count
  settings.prompt = prompt
  (settings.width, settings.height) = (512, 512)
  var request = JobRequest(settings)
  request.priority = priority
  return request
}

func image(_ index: Int, of job: Int64 = 1) -> ImageRecord {
  ImageRecord(
    index: index, path: "/out/\(job)-\(index).png", seed: UInt64(index), width: 512, height: 512,
    digest: String(repeating: "a", count: 64), bytes: 1000, seconds: 2.5)
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
