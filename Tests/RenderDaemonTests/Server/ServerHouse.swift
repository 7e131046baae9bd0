import Foundation
import GoldenModels
import JobStore
import PostgresStore
import Requests
import TestSupport
import Testing

/// A queue on a PostgreSQL server, a model and an output folder, with built daemons on them.
final class ServerHouse {
  private let place: TemporaryFolder
  let address: String
  let client: PostgresClient
  /// A file for a queue, which its daemons take for the person's own: what is private to them is the same for both.
  var file: String { place.file(".local/state/segmoe/queue.sqlite") }

  /// - Parameter server: nil: the one that tests share.
  init(on server: PostgresServer? = nil) throws {
    place = try TemporaryFolder()
    try GoldenParts.assemble("base", at: place.file("models/tiny"), as: .copies)
    address = try (server ?? PostgresServer.shared()).newDatabase()
    client = PostgresClient(try PostgresDatabase.open(ServerAddress(address), role: .client))
  }

  /// One job of two pictures.
  /// - Parameters:
  ///   - steps: of each.
  ///   - queue: nil: that of the server.
  ///   - change: makes it what the test needs.
  func enqueue(
    steps: Int, in queue: (any JobQueue)? = nil, _ change: (inout RenderRequest) -> Void = { _ in }
  ) throws -> Int64 {
    var render = RenderRequest(model: "tiny", prompt: "a red fox")
    (render.width, render.height, render.steps, render.count) = (96, 96, steps, 2)
    (render.scheduler, render.seed) = (.ddpm, 3)
    change(&render)
    var request = JobRequest(render)
    request.maxAttempts = 50
    var requests = [request].makeIterator()
    return try (queue ?? client).enqueue(BatchRequest()) { requests.next() }.jobs.lowerBound
  }

  /// A daemon that has started.
  /// - Parameters:
  ///   - name: its own.
  ///   - drains: whether it ends when nothing is queued.
  ///   - database: nil: that of the server.
  ///   - previews: whether it makes previews.
  ///   - arguments: more flags.
  ///   - environment: more variables.
  func daemon(
    _ name: String = "w", drains: Bool = false, on database: String? = nil, previews: Bool = false,
    _ arguments: [String] = [], environment: [String: String] = [:]
  ) throws -> Process {
    let process = try Process(
      "segmoed",
      [
        "--database", database ?? address, "--output", place.file("out"), "--models", place.file("models"),
        "--worker",
        name,
        "--threads", "1", "--log-level", "info",
      ] + (drains ? ["--drain"] : []) + arguments,
      environment: [
        "SEGMOE_CHECKPOINT_STEPS": "1", "SEGMOE_LEASE_SECONDS": "2",
        "SEGMOE_PREVIEWS": "\(previews)", "HOME": place.path,
        "SEGMOE_METRICS": place.file("segmoed.prom"), "PATH": "/usr/bin:/bin",
      ].merging(environment) { $1 })
    process.standardOutput = FileHandle.nullDevice
    let log = open(place.file("log"), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o600)
    process.standardError = FileHandle(fileDescriptor: log, closeOnDealloc: true)
    try process.run()
    return process
  }

  /// What its daemons said.
  var words: String { read("log") }

  /// Stops a daemon.
  func stop(_ daemon: Process) {
    daemon.terminate()
    daemon.waitUntilExit()
  }

  /// The path of a file beside the pictures' folder, `out`.
  func file(_ name: String) -> String { place.file(name) }

  /// What is in such a file; nothing if it is not there yet.
  func read(_ name: String) -> String { (try? String(contentsOfFile: file(name), encoding: .utf8)) ?? "" }

  /// A segmoectl on the queue, that is yet to be started.
  func client(_ arguments: [String]) throws -> Process {
    try Process("segmoectl", arguments, in: place.path, environment: environment)
  }

  /// Runs segmoectl to its end.
  func segmoectl(_ arguments: String...) throws -> Outcome {
    try Outcome(of: "segmoectl", arguments, in: place.path, environment: environment)
  }

  private var environment: [String: String] {
    ["SEGMOE_DATABASE": address, "HOME": place.path, "PATH": "/usr/bin:/bin", "TZ": "UTC"]
  }

  /// What its last daemon wrote for Prometheus.
  var metrics: String { read("segmoed.prom") }

  /// Renders what is queued.
  func drain(
    _ arguments: [String] = [], on database: String? = nil, environment: [String: String] = [:], code: Int32 = 0
  ) throws {
    let process = try daemon(drains: true, on: database, arguments, environment: environment)
    process.waitUntilExit()
    #expect(process.terminationStatus == code, "\(words)")
  }

  /// Waits until something is so. The limit only guards against waiting for ever.
  func wait(_ condition: () throws -> Bool) throws {
    let end = Date(timeIntervalSinceNow: 300)
    while try !condition() {
      try #require(Date() < end, "waited too long: \(words)")
      usleep(2_000)
    }
  }

  /// Steps of a job's image that are saved; those of a finished one are as many as may be.
  func saved(_ job: Int64, image index: Int, in queue: (any JobQueue)? = nil) throws -> Int {
    let client = queue ?? client
    return switch try client.checkpoint(job: job, index: index) {
    case .step(let step, _, _): step
    case .file: .max
    // Once the job is done nothing is saved any more.
    case nil: try client.details(job: job).job.state == .done ? .max : 0
    }
  }

  /// The files of a job that must be done, which must be what its rows say.
  func pictures(
    _ job: Int64, in queue: (any JobQueue)? = nil, _ location: SourceLocation = #_sourceLocation
  ) throws -> [Data] {
    let details = try (queue ?? client).details(job: job)
    #expect(details.job.state == .done, "\(details.job) \(words)", sourceLocation: location)
    return try details.images.map { image in
      let file = try Data(contentsOf: URL(fileURLWithPath: image.path))
      #expect(Int64(file.count) == image.bytes, sourceLocation: location)
      return file
    }
  }
}
