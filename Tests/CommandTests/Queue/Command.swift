import Foundation
import GRDB
import JobStore
import TestSupport
import Testing

/// The real segmoectl, on a database in a folder of its own.
final class Command: Sendable {
  private let place: TemporaryFolder

  var folder: String { place.path }
  var database: String { place.file("queue.sqlite") }

  init() throws { place = try TemporaryFolder() }

  private func environment(_ more: [String: String]) -> [String: String] {
    ["SEGMOE_DATABASE": database, "TERM": "xterm", "PATH": "/usr/bin:/bin", "TZ": "UTC"].merging(more) { $1 }
  }

  /// Starts it without waiting; standard output goes to `output`.
  /// - Parameters:
  ///   - arguments: of segmoectl.
  ///   - environment: more variables, or other values.
  ///   - wrapper: a program and its arguments that start it, such as one that takes rights away.
  ///   - output: gets its standard output.
  ///   - errors: gets its standard error.
  func start(
    _ arguments: [String], environment: [String: String] = [:], by wrapper: [String] = [], output: FileHandle,
    errors: Pipe
  ) throws -> Process {
    let (program, all) = try BuiltProgram.command("segmoectl", arguments, by: wrapper)
    let process = try Process(program, all, in: folder, environment: self.environment(environment))
    process.standardOutput = output
    process.standardError = errors
    try process.run()
    return process
  }

  /// Runs it to its end.
  func callAsFunction(_ arguments: String..., input: Data = Data()) throws -> Outcome {
    try run(arguments, input: input)
  }

  func run(
    _ arguments: [String], input: Data = Data(), environment: [String: String] = [:],
    by wrapper: [String] = []
  ) throws -> Outcome {
    let (program, all) = try BuiltProgram.command("segmoectl", arguments, by: wrapper)
    let outcome = try Outcome(
      of: program, all, in: folder, environment: self.environment(environment), input: input)
    #expect(outcome.code >= 0, "a signal ended it")
    return outcome
  }

  /// A file in the folder, which is the command's current one.
  func file(_ name: String, _ content: Data) throws {
    try place.write(name, content)
  }

  /// The same queue as this program sees it.
  func client() throws -> QueueClient { try QueueClient.open(path: database) }

  /// The queue as somebody at sqlite3 has it, who waits for the lock.
  func sqlite() throws -> DatabaseQueue {
    var patient = Configuration()
    patient.busyMode = .timeout(Patience.seconds)
    return try DatabaseQueue(path: database, configuration: patient)
  }

  /// Signs a worker on.
  /// - Parameters:
  ///   - numerics: its class of numerics; nil: it does not say.
  ///   - beats: whether it goes on to give signs of life while this is there. A client on a busy machine may look after more
  ///     than a minute only.
  func daemon(numerics: String? = nil, beats: Bool = false) throws -> WorkerSession {
    let session = try WorkerSession.signOn(
      QueueDatabase.open(path: database, role: .daemon),
      WorkerRecord(name: "w", pid: 1, host: "h", version: "1", numerics: numerics), leaseSeconds: 3600
    ) { _ in false }
    guard beats else { return session }
    let side = try session.beside()
    Thread.detachNewThread { [weak self] in
      while self != nil {
        try? side.heartbeat()
        Thread.sleep(forTimeInterval: 5)
      }
    }
    return session
  }

  /// Claims the next job and finishes it.
  func render(_ session: WorkerSession) throws {
    let claimed = try #require(try session.claim())
    let settings = claimed.request.render
    let images = (0..<settings.count).map { index in
      ImageRecord(
        index: index, path: "/out/\(claimed.job.id)-\(index).png", seed: settings.seed + UInt64(index),
        width: 512,
        height: 512, digest: String(repeating: "a", count: 64), bytes: 1, seconds: 1)
    }
    try session.finish(claimed.lease, images: images, statistics: RenderStatistics())
  }
}

/// One of the built programs.
enum BuiltProgram {
  /// The program to start and its arguments.
  /// - Parameters:
  ///   - name: the built program's.
  ///   - arguments: of it.
  ///   - wrapper: a program and its arguments that start it; empty: it is started itself.
  /// - Throws: `Places.NotBuilt`
  static func command(
    _ name: String, _ arguments: [String], by wrapper: [String]
  ) throws -> (program: String, arguments: [String]) {
    let command = wrapper + [try Places.program(name)] + arguments
    return (command[0], Array(command.dropFirst()))
  }

  /// Runs it to its end, with nothing on its standard input.
  /// - Parameters:
  ///   - name: the program's.
  ///   - arguments: of it.
  ///   - environment: all variables but the path and the sanitizers' options.
  ///   - wrapper: as `command` has it.
  static func run(
    _ name: String, _ arguments: [String], environment: [String: String] = [:], by wrapper: [String] = []
  ) throws -> Outcome {
    let (program, all) = try command(name, arguments, by: wrapper)
    return try Outcome(of: program, all, environment: ["PATH": "/usr/bin:/bin"].merging(environment) { $1 })
  }
}

/// Programs that take rights away, for tests that root runs.
enum Rights {
  /// As a user of no importance, perhaps in a group.
  static func nobody(group: Int = 65534) -> [String] {
    ["/usr/bin/setpriv", "--reuid", "65534", "--regid", "\(group)", "--clear-groups"]
  }

  static var canBeTaken: Bool { geteuid() == 0 && access("/usr/bin/setpriv", X_OK) == 0 }
}

/// An error is one line: "segmoectl: …".
/// - Parameters:
///   - outcome: how the program ended.
///   - program: the name that it gives itself.
///   - code: the exit code.
///   - parts: what the line must contain.
///   - output: what was written to standard output before; nil: whatever it is.
///   - location: where to report a difference.
func expectComplaint(
  _ outcome: Outcome, of program: String = "segmoectl", code: Int32, _ parts: String..., output: String? = "",
  location: SourceLocation = #_sourceLocation
) {
  #expect(outcome.code == code, "\(outcome)", sourceLocation: location)
  if let output { #expect(outcome.output == output, sourceLocation: location) }
  let lines = outcome.errors.split(separator: "\n", omittingEmptySubsequences: false)
  #expect(lines.count == 2 && lines.last == "", "\(outcome.errors)", sourceLocation: location)
  #expect(outcome.errors.hasPrefix("\(program): "), "\(outcome.errors)", sourceLocation: location)
  for part in parts {
    #expect(outcome.errors.contains(part), "\(part) is not in: \(outcome.errors)", sourceLocation: location)
  }
}
