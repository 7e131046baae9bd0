import Foundation
import Testing

/// A `segmoe` that was run to its end, and the most memory that it took, as the kernel counts it.
struct MeasuredRun {
  let code: Int32
  let errors: String
  /// By the program's own word, which it has from the kernel: what `wait4` says of a child is never less than
  /// what its parent took. nil if it did not come so far.
  let peakMebibytes: Int?

  init(_ arguments: [String]) throws {
    let process = Process()
    process.executableURL = try Command.executable().deletingLastPathComponent()
      .appendingPathComponent("segmoe")
    process.arguments = arguments
    let complaints = Pipe()
    process.standardInput = FileHandle.nullDevice
    process.standardOutput = FileHandle.nullDevice
    process.standardError = complaints
    try process.run()
    errors = String(decoding: complaints.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    process.waitUntilExit()
    code = process.terminationReason == .exit ? process.terminationStatus : -1
    peakMebibytes = errors.firstMatch(of: /peak (\d+) MiB/).flatMap { Int($0.1) }
  }
}
