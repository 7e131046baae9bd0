import Foundation
import TestSupport
import Testing

/// What the real segmoe and segmoed print with `--json`, against their published schemas. Commands that need a hub are
/// tested where there is one.
@Suite struct EngineOutputTests {
  private static let model = Places.golden("model/base")

  private func expectFits(
    _ published: inout PublishedSchemas, _ program: String, _ arguments: [String], input: String = "",
    code: Int32 = 0, location: SourceLocation = #_sourceLocation
  ) throws {
    let outcome = try Outcome(of: program, arguments, input: Data(input.utf8))
    #expect(outcome.code == code, "\(outcome)", sourceLocation: location)
    let faults = try published.judge(outcome.output, by: "\(program)-\(arguments[0])")
    #expect(faults == [], "\(outcome.output)", sourceLocation: location)
  }

  @Test func theEnginesCommandsPrintWhatTheirSchemasSay() throws {
    var published = try PublishedSchemas()
    let folder = try TemporaryFolder()
    defer { withExtendedLifetime(folder) {} }
    let mixture = folder.file("mixture")
    try GoldenParts.assemble("all-3x2", at: mixture, as: .links)
    for model in [Self.model, mixture] { try expectFits(&published, "segmoe", ["inspect", model, "--json"]) }
    let size = ["--width", "64", "--height", "64"]
    let bench = ["bench", "unet", Self.model, "--repeat", "1", "--json"] + size
    try expectFits(&published, "segmoe", bench)
    try expectFits(&published, "segmoe", bench + ["--profile"])
    try expectFits(&published, "segmoe", bench + ["--plan", "--threads", "3"])
    try expectFits(&published, "segmoe", ["precision", Self.model, "--json"] + size)
    try expectFits(&published, "segmoe", ["tokenize", Self.model, "--json"], input: "a red fox\n\ncafé\n")
    let trace = try folder.write("t.jsonl", "{\"bytes\":5,\"part\":\"x\",\"step\":1}\n")
    try expectFits(&published, "segmoe", ["replay-cache", trace, "--json"])
    for name in ["inspect", "bench", "precision", "tokenize", "replay-cache"] {
      // Instructions that give wrong numbers are rare.
      let gaps = published.gaps(in: "segmoe-\(name)").filter { !$0.contains("/failed_instructions:") }
      #expect(gaps == [])
    }
  }

  @Test func aCheckedConfigurationPrintsWhatItsSchemaSays() throws {
    var published = try PublishedSchemas()
    let root = try TemporaryFolder("usr/local/lib/systemd/system")
    defer { withExtendedLifetime(root) {} }
    try root.copy(
      Places.inRepository("systemd/segmoed.service"), to: "usr/local/lib/systemd/system/segmoed.service")
    try root.write("etc/segmoed/config.yaml", "models: [/data/models]\n")
    try expectFits(&published, "segmoed", ["check-config", "--root", root.path, "--json"], code: 66)
    let file = try root.write("other.yaml", "threads: 1\noutput: \(root.path)\nmodels: [\(root.path)]\n")
    let outcome = try BuiltProgram.run(
      "segmoed", ["check-config", file, "--json"], environment: ["HOME": root.path])
    #expect(try published.judge(outcome.output, by: "segmoed-check-config") == [], "\(outcome)")
    #expect(published.gaps(in: "segmoed-check-config") == [])
  }
}
