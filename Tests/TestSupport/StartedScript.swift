import Foundation

/// A script that runs a server for the tests: it says `ready` once the server takes connections, obeys words on standard input,
/// and ends with its last reference, or with the tests' process.
final class StartedScript: Sendable {
  private let process: Process
  private let input = Pipe()
  private let output = Pipe()

  /// Starts it, and waits for the server.
  /// - Parameters:
  ///   - path: of the script, in the repository.
  ///   - arguments: its arguments.
  /// - Throws: `NotReady`
  init(_ path: String, _ arguments: [String]) throws {
    process = try Process(
      Places.inRepository(path), arguments, environment: ["PATH": "/usr/sbin:/usr/bin:/sbin:/bin"])
    process.standardInput = input
    process.standardOutput = output
    try process.run()
    try awaitReady()
  }

  deinit {
    try? input.fileHandleForWriting.close()
    process.waitUntilExit()
  }

  /// It does not come up; standard error says why.
  struct NotReady: Error {}

  /// Kills the server, and waits until it is there again.
  /// - Throws: `NotReady`
  func crash() throws {
    try input.fileHandleForWriting.write(contentsOf: Data("crash\n".utf8))
    try awaitReady()
  }

  private func awaitReady() throws {
    var line = ""
    while !line.hasSuffix("\n") {
      guard let byte = try output.fileHandleForReading.read(upToCount: 1), !byte.isEmpty else {
        throw NotReady()
      }
      line += String(decoding: byte, as: UTF8.self)
    }
    guard line == "ready\n" else { throw NotReady() }
  }
}
