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
  /// The server's own, without anything on the way.
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

  var output: String { place.file("out") }

  /// The pictures of such a job in a queue in a file.
  static func undisturbed(steps: Int) throws -> [Data] {
    let house = try DaemonHouse()
    let id = try house.enqueue(attempts: 50) {
      ($0.width, $0.height, $0.steps, $0.count) = (96, 96, steps, 2)
      ($0.scheduler, $0.seed) = (.ddpm, 3)
    }
    try house.worker().run()
    return try house.client.details(job: id).images.map {
      try Data(contentsOf: URL(fileURLWithPath: $0.path))
    }
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
    return try enqueue(request, in: queue)
  }

  /// A daemon that has started.
  /// - Parameters:
  ///   - name: its own.
  ///   - drains: whether it ends when nothing is queued.
  ///   - database: another address of the same queue, or another queue; nil: the server's own.
  ///   - previews: whether it makes previews.
  ///   - leaseSeconds: after which another takes what it had, if both say so; long where nobody may take it away.
  ///   - arguments: more flags.
  ///   - environment: more variables.
  ///   - faults: rules of `faults.c`.
  ///   - namespace: of the network that it is in; nil: that of the tests.
  func daemon(
    _ name: String = "w", drains: Bool = false, on database: String? = nil, previews: Bool = false,
    leaseSeconds: Int = 3600, _ arguments: [String] = [], environment: [String: String] = [:],
    faults: [String] = [], in namespace: String? = nil
  ) throws -> Process {
    let arguments =
      [
        "--database", database ?? address, "--output", output, "--models", place.file("models"), "--worker",
        name, "--threads", environment["SEGMOE_JOBS"] ?? "1", "--log-level", "info",
      ] + (drains ? ["--drain"] : []) + arguments
    let environment = [
      "SEGMOE_CHECKPOINT_STEPS": "1", "SEGMOE_LEASE_SECONDS": "\(leaseSeconds)",
      "SEGMOE_PREVIEWS": "\(previews)",
      "HOME": place.path, "SEGMOE_METRICS": place.file("segmoed.prom"), "PATH": "/usr/bin:/bin",
    ].merging(FaultLibrary.environment(faults, log: place.file("strikes"))) { $1 }.merging(environment) { $1 }
    let process =
      if let namespace {
        try Process(
          "/usr/sbin/ip",
          ["netns", "exec", namespace, try Places.program("segmoed")] + arguments, environment: environment)
      } else {
        try Process("segmoed", arguments, environment: environment)
      }
    process.standardOutput = FileHandle.nullDevice
    let log = open(place.file("log"), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o600)
    process.standardError = FileHandle(fileDescriptor: log, closeOnDealloc: true)
    try process.run()
    return process
  }

  /// Runs segmoectl to its end.
  /// - Parameters:
  ///   - way: another address of the same queue; nil: the server's own.
  ///   - arguments: what comes after the queue.
  ///   - seconds: after which it is killed; nil: it is not.
  func control(
    by way: String? = nil, _ arguments: [String], killedAfter seconds: Double? = nil
  ) throws -> Outcome {
    let line = ["--database", way ?? address] + arguments
    let environment = ["HOME": place.path, "PATH": "/usr/bin:/bin"]
    guard let seconds else { return try Outcome(of: "segmoectl", line, environment: environment) }
    return try Outcome(
      of: "/usr/bin/timeout", ["--signal=KILL", "\(seconds)", try Places.program("segmoectl")] + line,
      environment: environment)
  }

  /// The rules of one that stands still before each resume state that it saves, in a queue of either kind.
  static let beforeEachState = ["send:socket~keep_state:1+:stop", RealDaemon.beforeEachState]

  /// Lets a daemon with such rules go on until something is so while it stands still: in the middle of a job.
  func hold(_ daemon: Process, until condition: () throws -> Bool) throws {
    let stands = try HeldProcess(pid: daemon.processIdentifier).goOn(until: condition)
    try #require(stands, "it has ended: \(words)")
  }

  /// Lets a daemon with such rules go on to its end.
  func goOnToTheEnd(_ daemon: Process) {
    HeldProcess(pid: daemon.processIdentifier).goOnToTheEnd()
    daemon.waitUntilExit()
  }

  /// Kills a daemon without a word.
  func kill(_ daemon: Process) {
    Glibc.kill(daemon.processIdentifier, SIGKILL)
    daemon.waitUntilExit()
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
    _ arguments: [String] = [], on database: String? = nil, environment: [String: String] = [:],
    code: Int32 = 0
  ) throws {
    let process = try daemon(drains: true, on: database, arguments, environment: environment)
    process.waitUntilExit()
    #expect(process.terminationStatus == code, "\(words)")
  }

  /// Puts a job in as a test of kills wants it.
  /// - Returns: its number.
  func enqueue(_ kind: PictureReference.Kind, count: Int, attempts: Int) throws -> Int64 {
    var render = RenderRequest(model: "tiny", prompt: "a red fox")
    (render.width, render.height, render.steps, render.count) = (64, 64, kind.steps, count)
    render.scheduler = kind.scheduler
    var request = JobRequest(render)
    request.maxAttempts = attempts
    return try enqueue(request)
  }

  private func enqueue(_ request: JobRequest, in queue: (any JobQueue)? = nil) throws -> Int64 {
    var requests = [request].makeIterator()
    return try (queue ?? client).enqueue(BatchRequest()) { requests.next() }.jobs.lowerBound
  }

  /// Waits until something is so. The limit only guards against waiting for ever.
  func wait(_ condition: () throws -> Bool) throws {
    let end = Patience.end
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
