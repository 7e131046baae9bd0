import Foundation
import JobStore
import Testing

/// Names of models are checked when jobs are queued, against what the daemons have.
@Suite struct ModelNameTests {
  private func command(_ names: String..., fault: String? = nil) throws -> Command {
    let command = try Command()
    try command.daemon().declare(
      names.map { name in
        var record = ModelRecord(
          name: name, path: "/m/\(name)", kind: "sd", bytes: 4 << 30, description: "SD1.5 folder")
        record.fault = fault
        return record
      })
    return command
  }

  @Test(arguments: [
    ("dreamshapr", "did you mean 'dreamshaper'?"), ("Dreamshaper", "did you mean 'dreamshaper'?"),
    ("realistic", "did you mean 'sd/realistic.safetensors'?"),
    ("realistic.gguf", "did you mean 'sd/realistic.safetensors'?"),
    ("flux", "`segmoectl models` lists"),
  ]) func aWrongNameIsRefused(name: String, part: String) throws {
    let command = try command("dreamshaper", "sd/realistic.safetensors")
    for arguments in [
      ["--model", name], ["--models", "dreamshaper,\(name)"], ["--model", name, "--dry-run"],
    ] {
      expectComplaint(
        try command.run(["enqueue", "p"] + arguments), code: 66, "no segmoed has a model '\(name)'", part)
    }
    #expect(try command.client().list().isEmpty)
  }

  @Test func aWrongNameInAFileIsRefusedWithItsLine() throws {
    let command = try command("dreamshaper")
    try command.file("p.csv", Data("prompt,model\na,dreamshaper\nb,dreamshapr\n".utf8))
    expectComplaint(
      try command("enqueue", "--file", "p.csv"), code: 66, "p.csv", "3", "did you mean 'dreamshaper'?")
    try command.file("p.jsonl", Data("{\"prompt\": \"a\"}\n{\"prompt\": \"b\", \"model\": \"x\"}\n".utf8))
    expectComplaint(
      try command("enqueue", "--file", "p.jsonl", "--model", "dreamshaper"), code: 66, "p.jsonl:2")
    #expect(try command.client().list().isEmpty)
  }

  @Test func aRightNameIsQueued() throws {
    let command = try command("dreamshaper", "sd/realistic.safetensors", "a/b")
    for name in ["dreamshaper", "sd/realistic.safetensors", "a/b"] {
      let outcome = try command("enqueue", "p", "--model", name)
      #expect(outcome.code == 0 && outcome.errors == "", "\(outcome)")
    }
    // A card of a hub need not be here.
    #expect(try command("enqueue", "p", "--model", "segmind/SegMoE-4x2-v0").code == 0)
    #expect(
      try command.client().list().map(\.model) == [
        "dreamshaper", "sd/realistic.safetensors", "a/b", "segmind/SegMoE-4x2-v0",
      ])
    // Again, while the model is there, and no more when it is gone.
    #expect(try command("enqueue", "--like", "1").code == 0)
    try command.daemon().declare([])
    expectComplaint(try command("enqueue", "--like", "1"), code: 66, "'dreamshaper'", "none in its folders")
    expectComplaint(try command("rerun", "1"), code: 66, "'dreamshaper'")
  }

  @Test func oneThatCannotBeUsedSaysWhy() throws {
    let command = try command("half", fault: "/m/half: cut short")
    expectComplaint(
      try command("enqueue", "p", "--model", "half"), code: 65, "'half' cannot be used", "cut short")
    expectComplaint(try command("enqueue", "p"), code: 64, "no model")
    let table = try command("models")
    #expect(table.output.contains("cut short") && table.output.contains("never"))
    #expect(try command("models", "--json").list().first?["error"] as? String == "/m/half: cut short")
  }

  /// Where nobody knows, a name is taken, and who waits is told.
  @Test func anUnknownNameIsTakenWhereNobodyKnows() throws {
    let command = try Command()
    let first = try command("enqueue", "p", "--model", "any")
    #expect(first.code == 0 && first.errors.contains("no segmoed works on"))
    let session = try command.daemon()
    #expect(try command("enqueue", "p", "--model", "any").code == 0)
    try session.declare([], areAll: false)
    #expect(try command("enqueue", "p", "--model", "any").code == 0)
  }

  @Test func modelsListsWhatIsInTheFolders() throws {
    let command = try command("dreamshaper", "owl")
    let lines = try command("models").output.split(separator: "\n").map {
      $0.split(separator: " ").map(String.init)
    }
    #expect(lines.dropFirst().map(\.first) == ["dreamshaper", "owl"])
    #expect(lines[1] == ["dreamshaper", "sd", "SD1.5", "folder", "4096", "MiB", "never", "/m/dreamshaper"])
    let first = try #require(try command("models", "--json").list().first)
    #expect(first["workers"] as? [String] == ["w"] && first["bytes"] as? Int == 4 << 30)
  }
}
