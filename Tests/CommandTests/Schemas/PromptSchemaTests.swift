import Foundation
import Requests
import TestSupport
import Testing

/// The published schema of prompts against `segmoectl enqueue`, which takes what fits and refuses what does not.
@Suite struct PromptSchemaTests {
  private let folder: SchemaFolder

  init() throws { folder = try PublishedSchemas().folder }

  /// Members of a prompt with values that are right, and with values that are wrong whatever else is said.
  static let values: [(name: String, right: [String], wrong: [String])] = [
    ("model", ["\"m\"", "null"], ["\"\"", "5", "[\"m\"]"]),
    ("prompt", ["\"\"", "\"über 🦊\""], ["5", "null", "[\"x\"]"]),
    ("negative_prompt", ["\"blurry\"", "\"\"", "null"], ["5", "true"]),
    ("width", ["64", "64.0", "16384", "null"], ["100", "0", "-8", "16392", "64.5", "\"64\""]),
    ("height", ["64", "16384", "null"], ["100", "0", "-8", "16392", "64.5", "\"64\""]),
    ("steps", ["1", "1000", "null"], ["0", "1001", "1.5", "\"5\"", "true"]),
    ("guidance", ["7.5", "-3", "1000", "null"], ["1000.5", "-1001", "\"7\"", "true"]),
    ("guidance_rescale", ["0", "0.7", "1", "null"], ["1.1", "-0.1", "\"1\""]),
    ("guidance_from", ["0", "0.5", "null"], ["1.1", "-0.1", "\"1\""]),
    ("guidance_until", ["0.5", "1", "null"], ["1.1", "-0.1", "\"1\""]),
    ("scheduler", ["\"euler\"", "\"DPM++ 2M Karras\"", "\"k_heun\"", "null"], ["5", "[\"euler\"]"]),
    ("sigmas", ["\"karras\"", "\"SGM Uniform\"", "null"], ["5", "true"]),
    ("eta", ["0", "1", "null"], ["1.1", "-0.1", "\"0.5\""]),
    (
      "timesteps", ["[999, 500]", "\"999,500\"", "\"999, 500\"", "null"],
      ["[]", "[999.5]", "[-1]", "\"\"", "\"a\"", "\"9;8\"", "5"]
    ),
    (
      "sigma_list", ["[14.6, 3, 0.5, 0]", "\"14.6,3,0\"", "null"],
      ["[1]", "[]", "[1000000, 0]", "[1, -1]", "\"a,b\"", "\"\"", "5"]
    ),
    (
      "deep_cache", ["\"3\"", "\"3:1\"", "3", "1", "\"1\"", "1000", "null"],
      ["0", "\"0\"", "\"3:48\"", "\"3:\"", "\"x\"", "1001", "2.5", "true"]
    ),
    (
      "token_merging", ["\"0.5\"", "\"0.5:2\"", "0.75", "0", "\"0\"", "\"0.0\"", "null"],
      ["-0.1", "0.8", "\"0.5:3\"", "\"half\"", "\"\"", "true"]
    ),
    (
      "seed", ["0", "18446744073709551615", "-1", "\"random\"", "\"-1\"", "null"],
      ["-2", "1.5", "\"5\"", "\"any\"", "true"]
    ),
    (
      "variation_seed", ["0", "18446744073709551615", "-1", "\"random\"", "\"-1\"", "null"],
      ["-2", "1.5", "\"5\"", "\"any\"", "true"]
    ),
    ("variation_strength", ["0", "0.1", "1", "null"], ["1.1", "-0.1", "\"1\""]),
    ("count", ["1", "1000", "null"], ["0", "1001", "1.5", "\"1\""]),
    ("precision", ["\"f32\"", "\"bf16\"", "\"int8\"", "null"], ["\"f64\"", "\"F32\"", "32"]),
    (
      "loras",
      [
        "[]", "[\"l.safetensors\"]", "[\"l.safetensors:0.5\"]", "[{\"path\": \"l.safetensors\"}]",
        "[{\"path\": \"l.safetensors\", \"weight\": -2}]",
        "[{\"path\": \"l.safetensors\", \"weight\": null}]",
        "null",
      ],
      [
        "\"l.safetensors\"", "[5]", "[{}]", "[{\"weight\": 1}]", "[\"\"]",
        "[{\"path\": \"l.safetensors\", \"weight\": 101}]", "[{\"path\": \"l.safetensors\", \"wieght\": 1}]",
        "[{\"path\": \"l.safetensors\", \"weight\": \"1\"}]",
        "[\((0..<65).map { _ in "\"l.safetensors\"" }.joined(separator: ", "))]",
      ]
    ),
    (
      "embeddings",
      [
        "[]", "[\"e.safetensors:x\"]", "[{\"path\": \"e.safetensors\"}]",
        "[{\"path\": \"e.safetensors\", \"token\": \"x\"}]", "null",
      ],
      [
        "\"e.safetensors\"", "[5]", "[{}]", "[{\"token\": \"x\"}]",
        "[{\"path\": \"e.safetensors\", \"token\": \"\"}]",
        "[{\"path\": \"e.safetensors\", \"tokn\": \"x\"}]",
      ]
    ),
    ("clip_skip", ["0", "2", "100", "null"], ["-1", "101", "1.5", "\"1\""]),
    ("plain_prompt", ["true", "false", "null"], ["1", "\"true\""]),
    ("vae", ["\"v.safetensors\"", "null"], ["\"\"", "5"]),
    ("init_image", ["\"i.png\"", "null"], ["\"\"", "5"]),
    ("strength", ["0.5", "1", "null"], ["0", "1.1", "-1", "\"0.5\""]),
    ("mask", ["\"m.png\"", "null"], ["\"\"", "5"]),
    (
      "original_size", ["\"1024x768\"", "\"1024X768\"", "null"], ["\"big\"", "\"1024\"", "\"1x-2\"", "1024"]
    ),
    ("crop", ["\"0,64\"", "\"-8,64\"", "null"], ["\"1\"", "\"0x64\"", "\"0,64,1\"", "0"]),
    ("target_size", ["\"1024x768\"", "null"], ["\"big\"", "\"1024\"", "1024"]),
    (
      "memory_budget", ["0", "4294967296", "\"4GiB\"", "\"1.5g\"", "\"512M\"", "null"],
      ["-1", "1.5", "\"lots\"", "\"4XB\"", "\"-4GiB\"", "true"]
    ),
    ("priority", ["0", "-5", "7", "null"], ["1.5", "\"1\"", "true"]),
  ]

  /// What a setting needs beside it.
  private static let company: [String: String] = [
    "eta": #""scheduler": "ddim""#, "timesteps": #""scheduler": "euler""#,
    "sigma_list": #""scheduler": "euler""#,
    "sigmas": #""scheduler": "euler""#, "strength": #""init_image": "i.png""#,
    "mask": #""init_image": "i.png""#,
    "guidance_from": #""guidance_until": 1"#, "guidance_until": #""guidance_from": 0"#,
  ]

  private static func line(_ name: String, _ value: String) -> String {
    let others = (name == "prompt" ? [] : [#""prompt": "x""#]) + (company[name].map { [$0] } ?? [])
    return "{\((others + ["\"\(name)\": \(value)"]).joined(separator: ", "))}"
  }

  @Test func membersAreTheSettings() throws {
    let schema = try #require(folder.node(SchemaPlace(document: "prompt.json")))
    let settings = Setting.all.map(\.name)
    #expect(Set(try #require(schema["properties"]?.object).keys) == Set(settings + ["priority"]))
    #expect(schema["required"] == .list([.string("prompt")]))
    #expect(Self.values.map(\.name) == settings + ["priority"])
    // What segmoe itself writes fits.
    let defaults = RenderRequest(model: "m", prompt: "p")
    for setting in Setting.all {
      let text = "{\"prompt\": \"p\", \"\(setting.name)\": \(setting.json(defaults))}"
      #expect(folder.judge(try JSONNode(text), by: "prompt").faults == [], "\(text)")
    }
  }

  private func command() throws -> Command {
    let command = try Command()
    for name in ["l.safetensors", "e.safetensors", "v.safetensors", "i.png", "m.png"] {
      try command.file(name, Data("x".utf8))
    }
    return command
  }

  @Test(arguments: values.indices) func aLineIsJudgedAlike(index: Int) throws {
    let (name, right, wrong) = Self.values[index]
    let command = try command()
    for (value, isRight) in right.map({ ($0, true) }) + wrong.map({ ($0, false) }) {
      let line = Self.line(name, value)
      let outcome = try command(
        "enqueue", "--format", "jsonl", "--model", "m", "--dry-run", input: Data(line.utf8))
      #expect(outcome.code == (isRight ? 0 : 65), "\(line): \(outcome.errors)")
      #expect(folder.judge(try JSONNode(line), by: "prompt").faults.isEmpty == isRight, "\(line)")
    }
  }

  /// Whole files, in JSON and in YAML.
  @Test(arguments: [
    (#"["a", {"prompt": "b", "seed": 7}]"#, true), (#"{"prompt": "b"}"#, true), (#"[{"seed": 7}]"#, false),
    (#"[5]"#, false), (#"[["a"]]"#, false), (#"[null]"#, false), (#"[]"#, false),
    (#"[{"prompt": "b", "colour": 1}]"#, false), (#"{"seed": 7}"#, false),
  ])
  func aFileIsJudgedAlike(text: String, isRight: Bool) throws {
    let command = try command()
    let outcome = try command(
      "enqueue", "--format", "json", "--model", "m", "--dry-run", input: Data(text.utf8))
    #expect(outcome.code == (isRight ? 0 : 65), "\(outcome)")
    #expect(folder.judge(try JSONNode(text), by: "prompt-file").faults.isEmpty == isRight, "\(text)")
  }
}
