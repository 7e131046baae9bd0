import Foundation
import Hub
import TestSupport
import Testing

/// The real `segmoe`, with the test hub as its hub.
@Suite(.serialized)
struct PullCommandTests {
  private static func run(
    _ house: PullHouse, _ arguments: [String], _ more: [String: String] = [:]
  ) throws -> Outcome {
    let own = [
      "HOME": house.folder, "PATH": "/usr/bin:/bin", "HF_HOME": house.folder,
      "HF_ENDPOINT": house.hub.endpoint,
      "CIVITAI_ENDPOINT": house.hub.civitai, "HF_HUB_DOWNLOAD_TIMEOUT": "\(Patience.seconds)",
    ]
    return try Outcome(
      of: "segmoe", arguments, in: house.folder, environment: own.merging(more) { $1 })
  }

  @Test func pathsArePrintedOneALine() throws {
    let house = try PullHouse()
    let commit = house.hub.publish("a/model", PullHouse.model())
    let bytes = TestHub.safetensors()
    house.hub.publish(version: 7, CivitaiVersion(files: [.init(bytes: bytes)]))
    let link = "https://civitai.com/api/download/models/7?type=Model&format=SafeTensor"
    let outcome = try Self.run(house, ["pull", "a/model", link])
    #expect(outcome.code == 0 && outcome.errors == "")
    let lines = outcome.output.split(separator: "\n").map(String.init)
    #expect(lines.first == "\(house.cache)/models--a--model/snapshots/\(commit)")
    #expect(lines.count == 2 && lines.last?.hasSuffix("\(TestHub.hash(bytes)).safetensors") ?? false)
    let printed = try Self.run(house, ["pull", "--json", "a/model"])
    let row = try #require(try printed.list().first)
    #expect(Set(row.keys) == ["source", "path", "revision", "bytes", "fromCache"])
    #expect(row["fromCache"] as? Bool == true && row["revision"] as? String == commit)
  }

  @Test func printedJSONIsWhatItsSchemaSays() throws {
    let house = try PullHouse()
    house.hub.publish("a/model", PullHouse.model())
    var published = try PublishedSchemas()
    let folder = house.folder + "/model"
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    try Data("{}".utf8).write(to: URL(fileURLWithPath: folder + "/model_index.json"))
    for arguments in [["a/model", "--dry-run"], ["a/model", folder]] {
      let pulled = try Self.run(house, ["pull", "--json", "--quiet"] + arguments)
      #expect(pulled.code == 0, "\(pulled)")
      #expect(try published.judge(pulled.output, by: "segmoe-pull") == [], "\(pulled)")
    }
    #expect(published.gaps(in: "segmoe-pull") == [])
    for arguments in [["--dry-run"], [], []] {
      let pushed = try Self.run(
        house, ["push", folder, "tester/mixture", "--json", "--quiet"] + arguments,
        ["HF_TOKEN": TestHub.token, "XDG_STATE_HOME": house.folder + "/state"])
      #expect(pushed.code == 0, "\(pushed)")
      #expect(try published.judge(pushed.output, by: "segmoe-push") == [], "\(pushed)")
    }
    #expect(published.gaps(in: "segmoe-push") == [])
  }

  @Test func refusalsAreOneLineWithACodeAndWithoutTheToken() throws {
    let house = try PullHouse()
    house.hub.publish("a/gated", PullHouse.model(), isGated: true)
    house.hub.publish("a/file", ["x.safetensors": [1]])
    let secret = "hf_a_secret"
    for (arguments, more, code) in [
      (["pull", "a/none"], [:], 66), (["pull", "./none"], [:], 66),
      (["pull", "https://example.org/x"], [:], 66),
      (["pull", "a/gated"], [:], 77), (["pull", "a/gated"], ["HF_TOKEN": secret], 77),
      (["pull", "a/file"], [:], 65),
      (["pull", "a/file"], ["HF_HUB_OFFLINE": "1"], 69),
      (["pull", "a/file"], ["HF_ENDPOINT": "nonsense"], 64),
      (["inspect", "a/none"], [:], 66),
      (["render", "a/none", "--prompt", "x", "--output", "o.png"], [:], 66),
      (["pull"], [:], 64), (["push", ".", "a/b"], [:], 77), (["push", ".", "no-owner"], [:], 66),
    ] as [([String], [String: String], Int32)] {
      let outcome = try Self.run(house, arguments, more)
      #expect(outcome.code == code, "\(arguments) \(more): \(outcome)")
      #expect(outcome.output == "" && outcome.errors.split(separator: "\n").count == 1, "\(outcome.errors)")
      #expect(outcome.errors.hasPrefix("segmoe: ") && !outcome.errors.contains(secret))
    }
  }

  @Test func aRecipeIsCheckedBeforeAnythingIsFetched() throws {
    let house = try PullHouse()
    let recipe = house.folder + "/c.yaml"
    try Data("base_model: a/b\nexperts: [{source_model: a/b, positive_prompt: x}]\nnum_experts: 7\n".utf8)
      .write(to: URL(fileURLWithPath: recipe))
    let outcome = try Self.run(house, ["merge", recipe, "out"])
    #expect(outcome.code == 65 && house.hub.requests.isEmpty, "\(outcome)")
  }
}
