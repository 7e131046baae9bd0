import Foundation
import JobStore
import TestSupport
import Testing

/// The real segmoectl, on a database in a folder of its own.
final class Command: Sendable {
  private let place: TemporaryFolder

  var folder: String { place.path }
  var database: String { place.file("queue.sqlite") }

  init() throws { place = try TemporaryFolder() }

  private var environment: [String: String] {
    ["SEGMOE_DATABASE": database, "TERM": "xterm", "PATH": "/usr/bin:/bin", "TZ": "UTC"]
  }

  /// Starts it without waiting; standard output goes to `output`.
  func start(_ arguments: [String], output: FileHandle, errors: Pipe) throws -> Process {
    let process = try Process("segmoectl", arguments, in: folder, environment: environment)
    process.standardOutput = output
    process.standardError = errors
    try process.run()
    return process
  }

  /// Runs it to its end.
  func callAsFunction(_ arguments: String..., input: Data = Data()) throws -> Outcome {
    try run(arguments, input: input)
  }

  func run(_ arguments: [String], input: Data = Data()) throws -> Outcome {
    let outcome = try Outcome(
      of: "segmoectl", arguments, in: folder, environment: environment, input: input)
    #expect(outcome.code >= 0, "a signal ended it")
    return outcome
  }

  /// A file in the folder, which is the command's current one.
  func file(_ name: String, _ content: Data) throws {
    try place.write(name, content)
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
