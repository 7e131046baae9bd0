import Checkpoints
import Foundation
import GRDB
import Images
import JobStore
import Logging
import RenderDaemon
import Requests
import TestSupport
import Testing

/// A queue, a folder of models and an output folder of their own, with daemons on them.
final class DaemonHouse: Sendable {
  private let modelPlace: TemporaryFolder
  /// nil on a disk that somebody else looks after.
  private let place: TemporaryFolder?
  let folder: String
  let client: QueueClient

  var models: String { modelPlace.path }
  var output: String { folder + "/out" }
  /// A copy of the golden tiny model, free to be damaged.
  var model: String { models + "/tiny" }

  /// Where the last daemon left its numbers.
  var metrics: String { folder + "/segmoed.prom" }

  /// Denoising steps that the last daemon took.
  func stepsTaken() throws -> Int { try number("segmoe_steps_total") }

  /// Whether the last daemon says, as it does every few seconds, that it has taken so many steps or more.
  func haveTaken(_ steps: Int) throws -> Bool {
    try FileManager.default.fileExists(atPath: metrics) && stepsTaken() >= steps
  }

  /// A whole number of the last daemon's, by its name.
  func number(_ name: String) throws -> Int {
    let text = try String(contentsOfFile: metrics, encoding: .utf8)
    let line = try #require(text.split(separator: "\n").first { $0.hasPrefix("\(name){") })
    return try #require(line.split(separator: " ").last.flatMap { Int($0) })
  }

  /// The queue as somebody at sqlite3 has it, who waits for the lock: daemons write, too.
  func sqlite() throws -> DatabaseQueue {
    var patient = Configuration()
    patient.busyMode = .timeout(Patience.seconds)
    return try DatabaseQueue(path: client.path, configuration: patient)
  }

  /// What the daemons say and what struck them, apart from what they work on.
  var logs: String { models + "/.logs" }

  /// - Parameter disk: a folder to work in, such as a small file system of its own; models stay elsewhere.
  init(on disk: String? = nil) throws {
    modelPlace = try TemporaryFolder(".logs")
    try GoldenParts.assemble("base", at: modelPlace.file("tiny"), as: .copies)
    place = disk == nil ? try TemporaryFolder() : nil
    folder = disk ?? place?.path ?? ""
    client = try QueueClient.open(path: folder + "/queue.sqlite")
  }

  /// A copy of a golden model, by the name that `GoldenParts` knows.
  func addModel(_ name: String) throws {
    try GoldenParts.assemble(name, at: modelPlace.file(name), as: .copies)
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
    coalesce: Int? = nil, jobs: Int = 1, previews: Bool = true,
    previewVAE: PreviewVAENames = PreviewVAENames(), trace: (@Sendable (String) -> Void)? = nil
  ) throws -> Worker {
    var log = Logger(label: "test")
    log.logLevel = .critical
    var settings = settings(budget: budget, drain: drain)
    settings.checkpointSteps = checkpointSteps
    settings.coalesce = coalesce
    settings.jobs = jobs
    settings.previews = previews
    settings.previewVAE = previewVAE
    settings.metrics = metrics
    settings.inputFolders = inputs
    return try Worker(settings, log: log, trace: trace)
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

  /// Steps that the resume state of a job's first picture has; 0: there is none.
  func savedSteps(_ id: Int64) throws -> Int {
    guard case .step(let step, _, _) = try client.checkpoint(job: id, index: 0) else { return 0 }
    return step
  }

  /// A stop must have given jobs back, without a lost attempt and with more than so many steps.
  func expectGivenBack(_ jobs: [Int64], after steps: Int, location: SourceLocation = #_sourceLocation) throws
  {
    for id in jobs {
      let (job, saved) = (try job(id), try savedSteps(id))
      #expect(job.state == .queued && job.attempts == 0, "\(job)", sourceLocation: location)
      #expect(saved > steps, "job \(id)", sourceLocation: location)
    }
  }

  /// The pictures of jobs that must be done: pixels alone, because the files also name their jobs.
  func pictures(_ jobs: [Int64]) throws -> [[RGBImage]] {
    try jobs.map { id in
      let details = try client.details(job: id)
      #expect(details.job.state == .done, "\(details.job.failure?.message ?? "")")
      return try details.images.map { try PNGFile.read($0.path).image }
    }
  }

  /// All files below the output folder, relative to it.
  func files() -> [String] { TemporaryFolder.files(below: output) }

  /// Waits until something is so. The limit only guards against waiting for ever, on a machine as busy as may be.
  func wait(every pause: Double = 0.01, _ condition: () throws -> Bool) throws {
    let end = Patience.end
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
