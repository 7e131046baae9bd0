import Fetching
import Foundation
import GRDB
import HTTP
import Hub
import JobStore
import Logging
import PostgresStore
import Requests
import TestSupport
import Testing

/// A test hub, a queue, and fetchers on both: in this process, or the real programs.
final class FetchHouse: Sendable {
  let pulls: PullHouse
  let client: any JobQueue
  /// The file, or the server's address.
  let queue: String
  private let kind: StoreKind

  var hub: TestHub { pulls.hub }
  var folder: String { pulls.folder }

  init(_ kind: StoreKind = .sqlite) throws {
    self.kind = kind
    pulls = try PullHouse()
    if kind == .sqlite {
      queue = pulls.folder + "/queue.sqlite"
      client = try QueueClient.open(path: queue)
      return
    }
    let direct = try PostgresServer.shared().newDatabase()
    queue = kind == .pooled ? try PostgresBouncer.shared().address(direct) : direct
    client = PostgresClient(try PostgresDatabase.open(ServerAddress(queue), role: .daemon))
  }

  /// A tiny model that can really be rendered.
  static func model(_ name: String = "model/base") throws -> [String: [UInt8]] {
    let root = URL(fileURLWithPath: Places.golden(name))
    let names = FileManager.default.enumerator(atPath: root.path)?.compactMap { $0 as? String } ?? []
    return try names.reduce(into: [:]) { files, name in
      let file = root.appending(path: name)
      var isFolder: ObjCBool = false
      guard FileManager.default.fileExists(atPath: file.path, isDirectory: &isFolder), !isFolder.boolValue
      else { return }
      files[name] = Array(try Data(contentsOf: file))
    }
  }

  @discardableResult
  func enqueue(
    _ model: String, _ prompts: Int = 1, _ change: (inout RenderRequest) -> Void = { _ in }
  ) throws -> EnqueuedBatch {
    var render = RenderRequest(model: model, prompt: "a fox")
    (render.width, render.height, render.steps, render.scheduler) = (64, 64, 2, .ddim)
    change(&render)
    return try client.enqueue(
      BatchRequest(), requests: (0..<prompts).map { _ in JobRequest(render) })
  }

  func job(_ id: Int64) throws -> JobDetails { try client.details(job: id) }

  func settings(_ change: (inout FetchSettings) -> Void = { _ in }) throws -> FetchSettings {
    var settings = FetchSettings(database: queue, hub: try pulls.settings(["HF_TOKEN": TestHub.token]))
    settings.pace = RetryPace(delays: [0, 0, 0])
    settings.pauses = [0, 0]
    settings.interval = 0
    change(&settings)
    return settings
  }

  /// A fetcher in this process, not running yet.
  func fetcher(pid: Int = 1, _ settings: FetchSettings) throws -> SourceFetcher {
    let record = FetcherRecord(pid: pid, host: "h", version: "1")
    let session: any JobFetcher =
      kind == .sqlite
      ? try FetcherSession.signOn(QueueDatabase.open(path: queue, role: .client), record) { _ in true }
      : try PostgresFetcher.signOn(
        PostgresDatabase.open(ServerAddress(queue), role: .client), record
      ) { _ in true }
    var log = Logger(label: "test")
    log.logLevel = .critical
    return SourceFetcher(settings: settings, session: session, transport: CurlTransport(), log: log)
  }

  /// Runs a fetcher until something is so, and stops it.
  func fetch(
    _ given: FetchSettings? = nil, pid: Int = 1, until condition: () throws -> Bool
  ) throws {
    let fetcher = try fetcher(pid: pid, given ?? settings())
    let ended = DispatchSemaphore(value: 0)
    Thread {
      try? fetcher.run()
      ended.signal()
    }.start()
    defer {
      fetcher.requestStop()
      ended.wait()
    }
    try wait(condition)
  }

  /// Waits until something is so. The limit only guards against waiting for ever.
  func wait(_ condition: () throws -> Bool) throws {
    let end = Patience.end
    while try !condition() {
      try #require(Date() < end, "waited too long")
      Thread.sleep(forTimeInterval: 0.01)
    }
  }

  func overview(_ column: String, _ job: Int64) throws -> String? {
    let sql = "SELECT \(column) FROM job_overview WHERE id = \(job)"
    guard kind == .sqlite else { return try PostgresServer.sql(at: queue, sql).first }
    return try DatabaseQueue(path: queue).read { try String.fetchOne($0, sql: sql) }
  }
}

extension JobQueue {
  /// What the first job of a batch names of a hub: the same as its others, here.
  func sources(batch: Int64) throws -> [SourceRecord] { try sources(job: self.batch(batch).firstJob) }
}

/// One of the built programs as a process of its own.
final class RealProgram {
  private let process = Process()
  private let file: String
  private let errors: String

  /// - Parameters:
  ///   - name: of the program.
  ///   - house: whose hub and queue it is given.
  ///   - arguments: of the program.
  ///   - more: further variables.
  init(_ name: String, _ house: FetchHouse, _ arguments: [String], _ more: [String: String] = [:]) throws {
    file = house.folder + "/\(name)-\(UUID().uuidString).out"
    errors = file + ".err"
    process.executableURL = try Self.executable(name)
    process.arguments = arguments
    process.currentDirectoryURL = URL(fileURLWithPath: house.folder)
    let own = [
      "HOME": house.folder, "PATH": "/usr/bin:/bin", "HF_HOME": house.folder, "XDG_CACHE_HOME": house.folder,
      "HF_ENDPOINT": house.hub.endpoint, "CIVITAI_ENDPOINT": house.hub.civitai,
      "HF_HUB_DOWNLOAD_TIMEOUT": "\(Patience.seconds)",
      "SEGMOE_DATABASE": house.queue, "SEGMOE_OUTPUT": house.folder + "/out", "SEGMOE_THREADS": "1",
    ]
    let sanitizer = ProcessInfo.processInfo.environment.filter { $0.key.hasSuffix("SAN_OPTIONS") }
    process.environment = own.merging(sanitizer) { $1 }.merging(more) { $1 }
    process.standardInput = FileHandle.nullDevice
    process.standardOutput = try Self.sink(file)
    process.standardError = try Self.sink(errors)
    try process.run()
  }

  deinit { kill() }

  private static func sink(_ path: String) throws -> FileHandle {
    _ = FileManager.default.createFile(atPath: path, contents: nil)
    return try FileHandle(forWritingTo: URL(fileURLWithPath: path))
  }

  /// Built beside the test bundle.
  static func executable(_ name: String) throws -> URL {
    var place = try #require(Bundle.main.executableURL).resolvingSymlinksInPath().deletingLastPathComponent()
    for _ in 0..<4 {
      let candidate = place.appendingPathComponent(name)
      if FileManager.default.isExecutableFile(atPath: candidate.path) { return candidate }
      place.deleteLastPathComponent()
    }
    throw CocoaError(.fileNoSuchFile)
  }

  var pid: Int32 { process.processIdentifier }
  var isRunning: Bool { process.isRunning }
  var output: String { (try? String(contentsOfFile: file, encoding: .utf8)) ?? "" }
  var words: String { (try? String(contentsOfFile: errors, encoding: .utf8)) ?? "" }

  /// Without a word, as a power cut would.
  func kill() {
    guard process.isRunning else { return }
    Glibc.kill(pid, SIGKILL)
    process.waitUntilExit()
  }

  /// Asks it to stop, and waits for that.
  @discardableResult
  func stop() -> Int32 {
    process.terminate()
    return end()
  }

  /// Waits for its end; one that hangs is killed in the end.
  @discardableResult
  func end() -> Int32 {
    let limit = Patience.end
    while process.isRunning, Date() < limit { Thread.sleep(forTimeInterval: 0.005) }
    kill()
    return process.terminationReason == .exit ? process.terminationStatus : -1
  }

  /// Numbers of the internet sockets that it has open.
  func internetSockets() throws -> Set<String> {
    let folder = "/proc/\(pid)/fd"
    let open = try FileManager.default.contentsOfDirectory(atPath: folder).compactMap {
      try? FileManager.default.destinationOfSymbolicLink(atPath: "\(folder)/\($0)")
    }
    let known = try ["tcp", "tcp6", "udp", "udp6"].flatMap { kind in
      try String(contentsOfFile: "/proc/\(pid)/net/\(kind)", encoding: .utf8).split(separator: "\n")
        .dropFirst()
        .compactMap { line in line.split(separator: " ").dropFirst(9).first.map { "socket:[\($0)]" } }
    }
    return Set(open).intersection(known)
  }
}
