import Checkpoints
import Foundation
import GRDB
import JobStore
import Logging
import RenderDaemon
import Requests
import Testing

/// A queue, a folder of models and an output folder of their own, with daemons on them.
final class DaemonHouse: Sendable {
  let folder: String
  let client: QueueClient

  let models: String
  var output: String { folder + "/out" }
  /// A copy of the golden tiny model, free to be damaged.
  var model: String { models + "/tiny" }

  /// Where the last daemon left its numbers.
  var metrics: String { folder + "/segmoed.prom" }

  /// Denoising steps that the last daemon took.
  func stepsTaken() throws -> Int {
    let text = try String(contentsOfFile: metrics, encoding: .utf8)
    let line = try #require(text.split(separator: "\n").first { $0.hasPrefix("segmoe_steps_total{") })
    return try #require(line.split(separator: " ").last.flatMap { Int($0) })
  }

  /// The queue as somebody at sqlite3 has it, who waits for the lock: daemons write, too.
  func sqlite() throws -> DatabaseQueue {
    var patient = Configuration()
    patient.busyMode = .timeout(10)
    return try DatabaseQueue(path: client.path, configuration: patient)
  }

  private static let goldens = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
    .deletingLastPathComponent().appending(path: "Goldens").path

  /// What the daemons say and what struck them, apart from what they work on.
  var logs: String { models + "/.logs" }

  /// - Parameter disk: a folder to work in, such as a small file system of its own; models stay elsewhere.
  init(on disk: String? = nil) throws {
    models = NSTemporaryDirectory() + "segmoed-models-\(UUID().uuidString)"
    folder = disk ?? NSTemporaryDirectory() + "segmoed-\(UUID().uuidString)"
    let files = FileManager.default
    try files.createDirectory(atPath: models + "/.logs", withIntermediateDirectories: true)
    try files.createDirectory(atPath: folder, withIntermediateDirectories: true)
    try files.copyItem(atPath: Self.goldens + "/model/base", toPath: models + "/tiny")
    client = try QueueClient.open(path: folder + "/queue.sqlite")
  }

  deinit {
    try? FileManager.default.removeItem(atPath: folder)
    try? FileManager.default.removeItem(atPath: models)
  }

  /// A copy of a golden merge, whole.
  func addMixture(_ name: String) throws {
    let files = FileManager.default
    let target = models + "/" + name
    try files.copyItem(atPath: Self.goldens + "/model/base", toPath: target)
    for part in ["unet", "scheduler", "model_index.json"] {
      try files.removeItem(atPath: target + "/" + part)
      try files.copyItem(atPath: "\(Self.goldens)/merges/\(name)/\(part)", toPath: target + "/" + part)
    }
  }

  /// A worker that signs on and renders nothing.
  func session(_ name: String, leaseSeconds: Double = 60) throws -> WorkerSession {
    try WorkerSession.signOn(
      QueueDatabase.open(path: client.path, role: .daemon),
      WorkerRecord(name: name, pid: 1, host: "h", version: "1"), leaseSeconds: leaseSeconds
    ) { _ in false }
  }

  func settings(budget: Int = .max, drain: Bool = true) -> DaemonSettings {
    DaemonSettings(
      database: client.path, output: output, modelFolders: [models], memoryBudget: budget, threads: 2,
      worker: "test", drain: drain)
  }

  func worker(
    budget: Int = .max, drain: Bool = true, checkpointSteps: Int? = nil, inputs: [String] = [],
    coalesce: Int? = nil
  ) throws -> Worker {
    var log = Logger(label: "test")
    log.logLevel = .critical
    var settings = settings(budget: budget, drain: drain)
    settings.checkpointSteps = checkpointSteps
    settings.coalesce = coalesce
    settings.metrics = metrics
    settings.inputFolders = inputs
    return try Worker(settings, log: log)
  }

  /// One job that renders small and fast; `change` makes it what the test needs. No second attempt.
  @discardableResult
  func enqueue(
    _ prompt: String = "a red fox", attempts: Int = 1, _ change: (inout RenderRequest) -> Void = { _ in }
  ) throws -> Int64 {
    var settings = RenderRequest(model: "tiny")
    settings.width = 64
    settings.height = 64
    settings.steps = 2
    settings.scheduler = .ddim
    change(&settings)
    settings.prompt = prompt
    var request = JobRequest(settings)
    request.maxAttempts = attempts
    return try client.enqueue(BatchRequest(), requests: [request]).jobs.lowerBound
  }

  func job(_ id: Int64) throws -> JobRecord { try client.details(job: id).job }

  /// All files below the output folder, relative to it.
  func files() -> [String] {
    let names = FileManager.default.enumerator(atPath: output)?.compactMap { $0 as? String } ?? []
    return names.filter { name in
      var isFolder: ObjCBool = false
      return FileManager.default.fileExists(atPath: output + "/" + name, isDirectory: &isFolder)
        && !isFolder.boolValue
    }.sorted()
  }

  /// Waits until something is so.
  func wait(seconds: Double = 30, every pause: Double = 0.01, _ condition: () throws -> Bool) throws {
    let end = Date(timeIntervalSinceNow: seconds)
    while try !condition() {
      try #require(Date() < end, "waited too long")
      Thread.sleep(forTimeInterval: pause)
    }
  }

  /// Renders what is queued: a job that must fail, and after it one that must not, so that the daemon
  /// is seen to live on.
  func expectFailure(of id: Int64, _ parts: String..., location: SourceLocation = #_sourceLocation) throws {
    try worker().run()
    let failed = try job(id)
    #expect(failed.state == .failed, "\(failed)", sourceLocation: location)
    for part in parts {
      #expect(
        failed.failure?.message.contains(part) == true,
        "\(part) is not in: \(failed.failure?.message ?? "nil")",
        sourceLocation: location)
    }
    #expect(!files().contains { $0.contains("\(id)-") || $0.contains(".tmp") }, sourceLocation: location)
  }
}
