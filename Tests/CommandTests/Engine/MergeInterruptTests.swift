import Foundation
import TestSupport
import Testing

/// The real `segmoe merge`, stopped by signals: nothing under the final name, and nothing beside it.
@Suite struct MergeInterruptTests {
  private static let model = Places.golden("model/base")

  /// The rule of a merge that stands still in the middle of its files.
  private static let halfWritten = "write:out.partial-:20:stop"

  /// How a merge ended.
  private struct End {
    let reason: Process.TerminationReason
    let code: Int32
    let errors: String
    let left: [String]
  }

  /// Starts a merge of as many experts, and sends the signal when standard error first says `word`, or while it stands still
  /// by a rule of `faults.c`.
  private func merge(
    _ experts: Int, gates: String, until word: String, at rule: String? = nil, signal number: Int32
  ) throws -> End {
    let folder = try TemporaryFolder()
    let expert = "  - {source_model: \(Self.model), positive_prompt: a, negative_prompt: b}\n"
    let recipe =
      "base_model: \(Self.model)\ntype: sd\nmoe_layers: all\ninit: \(gates)\nexperts:\n"
      + String(repeating: expert, count: experts)
    let faults = FaultLibrary.environment(rule.map { [$0] } ?? [], log: folder.file("strikes"))
    let process = try Process(
      "segmoe", ["merge", folder.write("recipe.yaml", recipe), folder.file("out")],
      environment: ["PATH": "/usr/bin:/bin"].merging(faults) { $1 })
    let errors = Pipe()
    process.standardError = errors
    try process.run()
    let held = HeldProcess(pid: process.processIdentifier)
    var text = ""
    var isSent = false
    while case let data = errors.fileHandleForReading.availableData, !data.isEmpty {
      text += String(decoding: data, as: UTF8.self)
      if !isSent, text.contains(word) {
        // It stands in the middle of what the test is about, however late this comes.
        while rule != nil, !held.isStopped, !held.hasEnded { Thread.sleep(forTimeInterval: 0.01) }
        kill(process.processIdentifier, number)
        held.goOn()
        isSent = true
      }
    }
    process.waitUntilExit()
    #expect(isSent, "\(text)")
    let left = folder.names.filter { !["recipe.yaml", "strikes"].contains($0) }
    return End(
      reason: process.terminationReason, code: process.terminationStatus, errors: text, left: left)
  }

  /// While files are written: what is there is taken back, and the exit code is the shell's.
  @Test(.enabled(if: FaultLibrary.isThere), arguments: [SIGINT, SIGTERM, SIGHUP])
  func whileWriting(_ number: Int32) throws {
    let end = try merge(50, gates: "random", until: "writing", at: Self.halfWritten, signal: number)
    #expect(end.reason == .exit && end.code == 128 + number, "\(end)")
    #expect(end.errors.hasSuffix("segmoe: interrupted; nothing was written\n"), "\(end.errors)")
    #expect(end.left.isEmpty, "\(end.left)")
  }

  /// While gates are computed nothing has been begun: the signal ends the program at once.
  @Test(arguments: [SIGINT, SIGTERM]) func whileComputingGates(_ number: Int32) throws {
    let end = try merge(20, gates: "hidden", until: "gates of expert 1 of 20: step 2", signal: number)
    #expect(end.reason == .uncaughtSignal && end.code == number, "\(end)")
    #expect(end.left.isEmpty, "\(end.left)")
  }

  /// SIGKILL cannot be caught: nothing under the final name, and the next merge takes the rest away.
  @Test(.enabled(if: FaultLibrary.isThere)) func killedWhileWriting() throws {
    let end = try merge(50, gates: "random", until: "writing", at: Self.halfWritten, signal: SIGKILL)
    #expect(end.reason == .uncaughtSignal && end.code == SIGKILL, "\(end)")
    #expect(!end.left.contains("out") && end.left.allSatisfy { $0.hasPrefix("out.partial-") }, "\(end.left)")
  }
}
