import Foundation
import JobStore
import Testing

/// What a command left behind.
struct Outcome {
  var code: Int32
  var output: String
  var errors: String

  /// The output as JSON.
  func json() throws -> Any {
    try JSONSerialization.jsonObject(with: Data(output.utf8), options: .fragmentsAllowed)
  }

  /// The output as a JSON object.
  func object() throws -> [String: Any] { try #require(try json() as? [String: Any]) }

  /// The output as a list of JSON objects.
  func list() throws -> [[String: Any]] { try #require(try json() as? [[String: Any]]) }
}

/// The real segmoectl, on a database in a folder of its own.
final class Command: Sendable {
  let folder: String

  var database: String { folder + "/queue.sqlite" }

  init() throws {
    folder = NSTemporaryDirectory() + "segmoectl-\(UUID().uuidString)"
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
  }

  deinit {
    try? FileManager.default.removeItem(atPath: folder)
  }

  /// Built beside the test bundle.
  static func executable() throws -> URL {
    let bundle = try #require(Bundle.main.executableURL).resolvingSymlinksInPath()
    var place = bundle.deletingLastPathComponent()
    // Beside the bundle on Linux; a few folders up where bundles are folders.
    for _ in 0..<4 {
      let candidate = place.appendingPathComponent("segmoectl")
      if FileManager.default.isExecutableFile(atPath: candidate.path) { return candidate }
      place.deleteLastPathComponent()
    }
    struct NotBuilt: Error {}
    throw NotBuilt()
  }

  /// What a sanitizer that the program was built with is told, if it was (scripts/sanitize).
  static var sanitizerOptions: [String: String] {
    ProcessInfo.processInfo.environment.filter { $0.key.hasSuffix("SAN_OPTIONS") }
  }

  /// Starts it without waiting; standard output goes to `output`.
  /// - Parameters:
  ///   - arguments: of segmoectl.
  ///   - input: for its standard input.
  ///   - environment: more variables, or other values.
  ///   - wrapper: a program and its arguments that start it, such as one that takes rights away.
  ///   - output: gets its standard output.
  ///   - errors: gets its standard error.
  func start(
    _ arguments: [String], input: Data = Data(), environment: [String: String] = [:],
    by wrapper: [String] = [],
    output: FileHandle, errors: Pipe
  ) throws -> Process {
    let process = Process()
    let command = wrapper + [try Self.executable().path] + arguments
    process.executableURL = URL(fileURLWithPath: command[0])
    process.arguments = Array(command.dropFirst())
    process.currentDirectoryURL = URL(fileURLWithPath: folder)
    process.environment = [
      "SEGMOE_DATABASE": database, "TERM": "xterm", "PATH": "/usr/bin:/bin", "TZ": "UTC",
    ].merging(Self.sanitizerOptions) { $1 }.merging(environment) { $1 }
    let source = Pipe()
    process.standardInput = source
    process.standardOutput = output
    process.standardError = errors
    try process.run()
    source.fileHandleForWriting.write(input)
    try source.fileHandleForWriting.close()
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
    let (output, errors) = (Pipe(), Pipe())
    let process = try start(
      arguments, input: input, environment: environment, by: wrapper, output: output.fileHandleForWriting,
      errors: errors)
    try output.fileHandleForWriting.close()
    let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    let complaint = String(decoding: errors.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    process.waitUntilExit()
    #expect(process.terminationReason == .exit)
    return Outcome(code: process.terminationStatus, output: text, errors: complaint)
  }

  /// A file in the folder, which is the command's current one.
  func file(_ name: String, _ content: Data) throws {
    try content.write(to: URL(fileURLWithPath: folder + "/" + name))
  }

  /// The same queue as this program sees it.
  func client() throws -> QueueClient { try QueueClient.open(path: database) }

  /// Signs a worker on.
  func daemon() throws -> WorkerSession {
    try WorkerSession.signOn(
      QueueDatabase.open(path: database, role: .daemon),
      WorkerRecord(name: "w", pid: 1, host: "h", version: "1"), leaseSeconds: 600
    ) { _ in false }
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

/// Another of the built programs, beside segmoectl.
enum BuiltProgram {
  /// Runs it to its end, with nothing on its standard input.
  /// - Parameters:
  ///   - name: the program's.
  ///   - arguments: of it.
  ///   - environment: all variables but the path and the sanitizers' options.
  ///   - wrapper: as `Command.start` has it.
  static func run(
    _ name: String, _ arguments: [String], environment: [String: String] = [:], by wrapper: [String] = []
  ) throws -> Outcome {
    let program = try Command.executable().deletingLastPathComponent().appendingPathComponent(name)
    let command = wrapper + [program.path] + arguments
    let process = Process()
    process.executableURL = URL(fileURLWithPath: command[0])
    process.arguments = Array(command.dropFirst())
    process.environment = ["PATH": "/usr/bin:/bin"].merging(Command.sanitizerOptions) { $1 }
      .merging(environment) { $1 }
    let (output, errors) = (Pipe(), Pipe())
    process.standardInput = FileHandle.nullDevice
    process.standardOutput = output
    process.standardError = errors
    try process.run()
    let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    let complaint = String(decoding: errors.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    process.waitUntilExit()
    return Outcome(code: process.terminationStatus, output: text, errors: complaint)
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
func expectComplaint(
  _ outcome: Outcome, code: Int32, _ parts: String..., location: SourceLocation = #_sourceLocation
) {
  #expect(outcome.code == code, "\(outcome)", sourceLocation: location)
  #expect(outcome.output == "", sourceLocation: location)
  let lines = outcome.errors.split(separator: "\n", omittingEmptySubsequences: false)
  #expect(lines.count == 2 && lines.last == "", "\(outcome.errors)", sourceLocation: location)
  #expect(outcome.errors.hasPrefix("segmoectl: "), "\(outcome.errors)", sourceLocation: location)
  for part in parts {
    #expect(outcome.errors.contains(part), "\(part) is not in: \(outcome.errors)", sourceLocation: location)
  }
}
