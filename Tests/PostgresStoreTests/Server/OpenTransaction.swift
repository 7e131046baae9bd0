import Foundation
import TestSupport

/// A psql that has begun a transaction and waits.
final class OpenTransaction {
  private let process: Process
  private let input = Pipe()
  private let output = Pipe()

  /// - Parameters:
  ///   - address: of the database.
  ///   - statement: what it has done in its transaction.
  init(at address: String, _ statement: String) throws {
    process = try Process(
      "/usr/bin/psql",
      ["--no-psqlrc", "--quiet", "--tuples-only", "--no-align", "--set=ON_ERROR_STOP=1", address])
    process.standardInput = input
    process.standardOutput = output
    try process.run()
    input.fileHandleForWriting.write(Data("BEGIN; \(statement);\n\\echo begun\n".utf8))
    var words = ""
    while !words.hasSuffix("begun\n"),
      let byte = try output.fileHandleForReading.read(upToCount: 1), !byte.isEmpty
    {
      words += String(decoding: byte, as: UTF8.self)
    }
  }

  /// Commits, and returns when it has.
  func commit() throws {
    input.fileHandleForWriting.write(Data("COMMIT;\n".utf8))
    try input.fileHandleForWriting.close()
    process.waitUntilExit()
  }
}
