import Foundation
import Synchronization

/// What a program left behind that was run to its end.
///
///     let outcome = try Outcome(of: "segmoe", ["inspect", model, "--json"])
///     #expect(outcome.code == 0)
package struct Outcome: Sendable {
  /// The exit code, or −1 if a signal ended the program.
  package let code: Int32
  /// What it wrote to standard output.
  package let output: String
  /// What it wrote to standard error.
  package let errors: String

  /// Runs a program to its end.
  /// - Parameters:
  ///   - program: the name of a program of this package, or a path that begins with a slash.
  ///   - arguments: its arguments, without its name.
  ///   - folder: the current folder; nil: that of the tests.
  ///   - environment: its environment, to which a sanitizer's settings are added; nil: that of the tests.
  ///   - input: what it reads from standard input.
  /// - Throws: `Places.NotBuilt`, or what the system says if it cannot be started.
  package init(
    of program: String, _ arguments: [String], in folder: String? = nil,
    environment: [String: String]? = nil, input: Data = Data()
  ) throws {
    let process = try Process(program, arguments, in: folder, environment: environment)
    let (source, output, errors) = (Pipe(), Pipe(), Pipe())
    process.standardInput = source
    process.standardOutput = output
    process.standardError = errors
    // Both are read at the same time: a full pipe would hold the program up.
    let complaint = GatheredOutput(errors)
    try process.run()
    source.fileHandleForWriting.write(input)
    try source.fileHandleForWriting.close()
    self.output = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    self.errors = complaint.text()
    process.waitUntilExit()
    code = process.terminationReason == .exit ? process.terminationStatus : -1
  }

  /// The output as JSON.
  package func json() throws -> Any {
    try JSONSerialization.jsonObject(with: Data(output.utf8), options: .fragmentsAllowed)
  }

  /// The output as a JSON object.
  package func object() throws -> [String: Any] {
    guard let object = try json() as? [String: Any] else { throw OtherJSON(outcome: self) }
    return object
  }

  /// The output as a list of JSON objects.
  package func list() throws -> [[String: Any]] {
    guard let list = try json() as? [[String: Any]] else { throw OtherJSON(outcome: self) }
    return list
  }

  /// An output that is other JSON than was expected.
  package struct OtherJSON: Error {
    let outcome: Outcome
  }
}

/// All that comes through a pipe, read by a thread of its own.
package final class GatheredOutput: Sendable {
  private let bytes = Mutex(Data())
  private let end = DispatchGroup()

  /// Begins to read.
  package init(_ pipe: Pipe) {
    let handle = pipe.fileHandleForReading
    DispatchQueue(label: "gathered output").async(group: end) { [self] in
      let all = handle.readDataToEndOfFile()
      bytes.withLock { $0 = all }
    }
  }

  /// Waits until whoever writes is done.
  package func text() -> String {
    end.wait()
    return String(decoding: bytes.withLock { $0 }, as: UTF8.self)
  }
}
