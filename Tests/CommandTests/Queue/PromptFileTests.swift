import Foundation
import JobStore
import Testing

/// Files of prompts in all formats: what they are is told by what is in them, and what does not fit is refused where it
/// stands, never queued as text.
@Suite struct PromptFileTests {
  private static func utf16(_ text: String, little: Bool) -> Data {
    Data(
      text.utf16.flatMap {
        little ? [UInt8($0 & 0xFF), UInt8($0 >> 8)] : [UInt8($0 >> 8), UInt8($0 & 0xFF)]
      })
  }

  /// Files with the same two prompts, `a "cat", sitting` with 4 steps and `über 🦊` with seed 7.
  static let same: [(name: String, content: Data, format: String?)] = [
    (
      "p.jsonl",
      Data(
        "{\"prompt\": \"a \\\"cat\\\", sitting\", \"steps\": 4}\n{\"prompt\": \"über 🦊\", \"seed\": 7}\n".utf8
      ), nil
    ),
    (
      "p.txt",
      Data(
        "\r\n  {\"prompt\": \"a \\\"cat\\\", sitting\", \"steps\": 4}\r\n{\"prompt\": \"über 🦊\", \"seed\": 7}"
          .utf8), nil
    ),
    (
      "p.json",
      Data(
        """
        \u{FEFF}
        [
            {
                "prompt": "a \\"cat\\", sitting",
                "steps": 4
            },
            { "seed": 7, "prompt": "\\u00fcber \\ud83e\\udd8a" }
        ]

        """.utf8), nil
    ),
    (
      "p.txt",
      Data("[{\"prompt\":\"a \\\"cat\\\", sitting\",\"steps\":4},{\"prompt\":\"über 🦊\",\"seed\":7}]".utf8),
      nil
    ),
    ("p.csv", Data("prompt,steps,seed\n\"a \"\"cat\"\", sitting\",4,\nüber 🦊,,7\n".utf8), nil),
    (
      "p", Data("Steps,\"Prompt\", seed\r\n4,\"a \"\"cat\"\", sitting\",\r\n,\"über 🦊\" ,7\r\n\r\n".utf8), nil
    ),
    ("p.txt", Data("steps;prompt;seed\n4;a \"cat\", sitting;\n;über 🦊;7".utf8), nil),
    ("p.tsv", Data("prompt\tsteps\tseed\na \"cat\", sitting\t4\t\nüber 🦊\t\t7\n".utf8), nil),
    (
      "p.csv",
      Data([0xEF, 0xBB, 0xBF]) + Data("prompt,steps,seed\n\"a \"\"cat\"\", sitting\",4,\nüber 🦊,,7\n".utf8),
      nil
    ),
    (
      "p.csv",
      Data([0xFF, 0xFE])
        + utf16("prompt\tsteps\tseed\r\na \"cat\", sitting\t4\t\r\nüber 🦊\t\t7\r\n", little: true), nil
    ),
    (
      "p.txt",
      Data([0xFE, 0xFF])
        + utf16("prompt,seed,steps\n\"a \"\"cat\"\", sitting\",,4\nüber 🦊,7,\n", little: false), nil
    ),
    (
      "p.yaml", Data("# mine\n- prompt: a \"cat\", sitting\n  steps: 4\n- {prompt: über 🦊, seed: 7}\n".utf8),
      nil
    ),
    (
      "p.txt", Data("---\n- {prompt: 'a \"cat\", sitting', steps: 4}\n-\n  prompt: über 🦊\n  seed: 7\n".utf8),
      nil
    ),
    ("p.txt", Data("prompt,steps,seed\n\"a \"\"cat\"\", sitting\",4,\nüber 🦊,,7\n".utf8), "csv"),
  ]

  @Test(arguments: same.indices) func allFormatsSayTheSame(index: Int) throws {
    let (name, content, format) = Self.same[index]
    let command = try Command()
    try command.file(name, content)
    let outcome = try command.run(
      ["enqueue", "--file", name, "--model", "m", "--steps", "9"] + (format.map { ["--format", $0] } ?? []))
    #expect(outcome.code == 0, "\(outcome)")
    let requests = try command.client().list().map {
      try command.client().details(job: $0.id).job.request.render
    }
    #expect(requests.map(\.prompt) == ["a \"cat\", sitting", "über 🦊"])
    #expect(requests.map(\.steps) == [4, 9] && requests.map(\.seed) == [0, 7])
  }

  @Test func simpleLists() throws {
    for (name, text) in [
      ("p.json", "[\"a\", \"b, c\"]"), ("p.yaml", "- a\n- b, c\n"), ("p.txt", "a\nb, c\n"),
      ("p.txt", "a\n\nb, c"),
      ("p.csv", "prompt\na\n\"b, c\"\n"), ("p.tsv", "prompt\na\nb, c"), ("p.txt", "prompt\na\n\"b, c\"\n"),
    ] {
      let command = try Command()
      try command.file(name, Data(text.utf8))
      #expect(try command("enqueue", "--file", name, "--model", "m").code == 0, "\(text)")
      #expect(try command.client().list().map(\.prompt) == ["a", "b, c"], "\(text)")
    }
  }

  /// What only looks like something else stays text.
  @Test func textStaysText() throws {
    let lines = [
      "[red|blue] cat", "a prompt, with a comma", "(masterpiece:1.2), 1girl", "-- dashes", "\"quoted\"",
      "# hash",
      "prompt: a cat", "--- dashed", "a\tb",
    ]
    let command = try Command()
    try command.file("p.txt", Data(lines.joined(separator: "\n").utf8))
    #expect(try command("enqueue", "--file", "p.txt", "--model", "m").code == 0)
    #expect(try command.client().list().map(\.prompt) == lines)
    // And whoever says so gets text, whatever it looks like.
    try command.file("p.csv", Data("prompt, best\n[\"x\"]\n- y\n".utf8))
    #expect(try command("enqueue", "--file", "p.csv", "--format", "lines", "--model", "m").code == 0)
    #expect(try command.client().list().suffix(3).map(\.prompt) == ["prompt, best", "[\"x\"]", "- y"])
  }

  @Test func cellsMayHoldAnything() throws {
    let command = try Command()
    try command.file("l.safetensors", Data("x".utf8))
    try command.file(
      "p.csv",
      Data(
        #"""
        prompt,Negative Prompt,loras,Guidance,priority,scheduler,plain-prompt
        "two
        lines, ""quoted""", ugly ,"[""l.safetensors:0.5"", {""path"": ""l.safetensors""}]",-3,5,DPM++ 2M Karras,true
        ,,l.safetensors:2,,,,

        """#.utf8))
    #expect(try command("enqueue", "--file", "p.csv", "--model", "m", "--priority", "1").code == 0)
    let first = try command.client().details(job: 1).job.request
    #expect(first.render.prompt == "two\nlines, \"quoted\"" && first.render.negativePrompt == " ugly ")
    #expect(
      first.render.loras.map(\.weight) == [0.5, 1] && first.render.guidance == -3 && first.priority == 5)
    #expect(first.render.scheduler == .dpmpp2MKarras && first.render.isPlainPrompt)
    let second = try command.client().details(job: 2).job.request
    #expect(second.render.prompt == "" && second.render.loras.map(\.weight) == [2] && second.priority == 1)
  }

  static let wrong: [(name: String, text: String, parts: [String])] = [
    ("p.csv", "prompt,colour\na,red\n", ["p.csv:1:8:", "'colour'", "no setting"]),
    ("p.csv", "prompt,step\na,4\n", ["p.csv:1:8:", "did you mean 'steps'"]),
    ("p.csv", "prompt,steps\na,4\nb,many\n", ["p.csv:3:3:", "steps is 'many'"]),
    ("p.csv", "prompt,steps\na,4\nb, c,5\n", ["p.csv:3:6:", "3 cells under 2 columns", "quotes"]),
    ("p.csv", "prompt,steps\na\n", ["p.csv:2:1:", "1 cells under 2"]),
    ("p.csv", "prompt,steps\n\"a,4\n", ["p.csv:2:1:", "never closed"]),
    ("p.csv", "prompt,steps\n\"a\"b,4\n", ["p.csv:2:4:", "closing quote"]),
    ("p.csv", "prompt,prompt\na,b\n", ["p.csv:1:8:", "twice"]),
    ("p.csv", "steps,seed\n4,5\n", ["p.csv:1:1:", "column 'prompt'", "--format lines"]),
    ("p.csv", "prompt,priority\na,high\n", ["p.csv:2:3:", "priority"]),
    ("p.csv", "prompt,loras\na,[x\n", ["p.csv:2:3:", "loras"]),
    ("p.tsv", "prompt\twidth\na\t100\n", ["p.tsv:2", "width is 100", "multiple of 8"]),
    ("p.txt", "prompt, best quality\na\n", ["p.txt:1:8:", "'best quality'", "--format lines"]),
    (
      "p.json", "[{\"prompt\": \"a\"},\n {\"prompt\": \"b\", \"colour\": 1}]", ["p.json:2:18:", "\"colour\""]
    ),
    ("p.json", "[\n{\"prompt\": \"a\"}\n{\"prompt\": \"b\"}\n]", ["p.json:3:1:", "comma"]),
    ("p.json", "[{\"prompt\": \"a\", \"steps\": \"x\"}]", ["p.json:1:18:", "\"steps\""]),
    ("p.json", "[\"ü\", 5]", ["p.json:1:7:", "in quotes"]),
    ("p.json", "[\"a\", \"b]", ["p.json:1:7:", "never closed"]),
    ("p.json", "[\"a\", ]", ["p.json:1:7:", "no JSON value"]),
    ("p.json", "[\"a\"", ["p.json:1:5:", "comma or ']'"]),
    ("p.json", "[\"a\"] x", ["p.json:1:7:", "more than one"]),
    ("p.json", "{\n  \"prompt\": 'a'\n}", ["p.json:2:13:", "no JSON value"]),
    ("p.json", "a, b", ["p.json:1:1:", "no JSON value"]),
    ("p.json", "[\"a\\q\"]", ["p.json:1:5:", "escape"]),
    ("p.json", "[\"a\tb\"]", ["p.json:1:4:", "control character"]),
    ("p.json", "[{\"steps\": 4}]", ["p.json:1:2:", "no \"prompt\""]),
    ("p.json", "[\(String(repeating: "[", count: 100))", ["p.json:1:"]),
    ("p.jsonl", "{\"prompt\": \"a\"}\nplain\n", ["p.jsonl:2:1:", "no JSON object", "--format lines"]),
    ("p.jsonl", "{\"prompt\": \"a\"} {}\n", ["p.jsonl:1:17:", "after the object"]),
    ("p.txt", "ok\n{\"prompt\": \"é\", steps: 4}\n", ["p.txt:2:17:", "key in quotes"]),
    ("p.txt", "ok\n{a|b} cat\n", ["p.txt:2:2:", "not JSON"]),
    ("p.yaml", "- a\n- {prompt: b, colour: 1}\n", ["p.yaml:2:15:", "\"colour\""]),
    ("p.yaml", "- a\n- [b]\n", ["p.yaml:2:3:", "must be a prompt"]),
    ("p.yaml", "- a\n-\n", ["p.yaml:2", "must be a prompt"]),
    ("p.yaml", "- {prompt: b, steps: lots}\n", ["p.yaml:1:15:", "\"steps\""]),
    ("p.yaml", "- 'a\n", ["p.yaml:"]),
    ("p.yaml", "just text\n", ["p.yaml:1:1:", "no list"]),
    ("p.yaml", "- {prompt: a, width: 12}\n", ["p.yaml:1:3:", "width is 12"]),
  ]

  @Test(arguments: wrong.indices) func whatDoesNotFitIsRefusedWhereItStands(index: Int) throws {
    let (name, text, parts) = Self.wrong[index]
    let command = try Command()
    try command.file(name, Data(text.utf8))
    let outcome = try command("enqueue", "--model", "m", "--file", name)
    expectComplaint(outcome, code: 65)
    for part in parts { #expect(outcome.errors.contains(part), "\(part) is not in: \(outcome.errors)") }
    #expect(try command.client().status().counts.total == 0)
  }

  /// Standard input is read in the same way.
  @Test func pipesHaveFormatsToo() throws {
    let command = try Command()
    #expect(try command("enqueue", "--model", "m", input: Data("prompt,seed\na,3\n".utf8)).code == 0)
    #expect(try command("enqueue", "--model", "m", "--file", "-", input: Data("[\"b\"]".utf8)).code == 0)
    #expect(try command.client().list().map(\.prompt) == ["a", "b"])
    let outcome = try command("enqueue", "--model", "m", "--format", "csv", input: Data("nothing\n".utf8))
    expectComplaint(outcome, code: 65, "standard input:1:1", "no setting")
  }
}
