import Foundation
import JobStore
import Requests
import Templates
import Testing

/// `enqueue --templates`: prompts become several, from arguments and from files; without it a brace is a brace.
@Suite struct EnqueueTemplateTests {
  private static func requests(_ command: Command) throws -> [RenderRequest] {
    try command.client().list().map { try command.client().details(job: $0.id).job.request.render }
  }

  @Test func bracesAreTextUnlessTemplatesAreAskedFor() throws {
    let command = try Command()
    #expect(try command("enqueue", "a {b|c} __d__ # e", "--model", "m").code == 0)
    #expect(try Self.requests(command).map(\.prompt) == ["a {b|c} __d__ # e"])
    for option in [["--wildcards", "."], ["--template-seed", "3"]] {
      expectComplaint(
        try command.run(["enqueue", "p", "--model", "m"] + option), code: 64, option[0],
        "no effect without --templates")
    }
    for choice in ["all", "random:0", "random:x", "random:10001", ""] {
      expectComplaint(
        try command("enqueue", "p", "--model", "m", "--templates", choice), code: 64, "--templates")
    }
    #expect(try command.client().list().count == 1)
  }

  /// Every combination with every setting; seeds that are random are drawn for each.
  @Test func everyCombination() throws {
    let command = try Command()
    let outcome = try command(
      "enqueue", "a {red|blue} fox", "plain", "--model", "m", "--templates", "combinatorial",
      "--negative-prompt",
      "{dull|grey}", "--steps", "4,8", "--seed", "random")
    #expect(outcome.code == 0, "\(outcome)")
    let requests = try Self.requests(command)
    let foxes = requests.prefix(8)
    #expect(
      foxes.map(\.prompt) == [String](repeating: "a red fox", count: 4)
        + [String](repeating: "a blue fox", count: 4))
    #expect(foxes.map(\.negativePrompt) == ["dull", "dull", "grey", "grey", "dull", "dull", "grey", "grey"])
    #expect(foxes.map(\.steps) == [4, 8, 4, 8, 4, 8, 4, 8])
    #expect(requests.count == 12 && Set(requests.map(\.seed)).count == 12)
  }

  /// In a list of prompts a line may begin with a brace; JSON and tables have templates in them.
  static let files: [(name: String, text: String)] = [
    ("p.txt", "{a|b} x\n{\"prompt\": \"{c|d}\", \"steps\": 3, \"negative_prompt\": \"{e|f}\"}\n"),
    (
      "p.jsonl",
      "{\"prompt\": \"{a|b} x\"}\n{\"prompt\": \"{c|d}\", \"steps\": 3, \"negative_prompt\": \"{e|f}\"}\n"
    ),
    ("p.json", "[\"{a|b} x\", {\"prompt\": \"{c|d}\", \"steps\": 3, \"negative_prompt\": \"{e|f}\"}]"),
    ("p.csv", "prompt,steps,negative_prompt\n{a|b} x,,\n{c|d},3,{e|f}\n"),
    ("p.yaml", "- '{a|b} x'\n- {prompt: '{c|d}', steps: 3, negative_prompt: '{e|f}'}\n"),
  ]

  @Test(arguments: files.indices) func filesHaveTemplates(index: Int) throws {
    let command = try Command()
    let (name, text) = Self.files[index]
    try command.file(name, Data(text.utf8))
    let outcome = try command(
      "enqueue", "--file", name, "--model", "m", "--steps", "9", "--templates", "combinatorial")
    #expect(outcome.code == 0, "\(outcome)")
    let requests = try Self.requests(command)
    #expect(requests.map(\.prompt) == ["a x", "b x", "c", "c", "d", "d"])
    #expect(requests.map(\.negativePrompt) == [nil, nil, "e", "f", "e", "f"])
    #expect(requests.map(\.steps) == [9, 9, 3, 3, 3, 3])
  }

  /// The same seed gives the same texts, line by line; another seed gives others.
  @Test func randomTexts() throws {
    let command = try Command()
    let letters = "{a|b|c|d|e|f|g|h|i|j|k|l|m|n|o|p}"
    try command.file("p.txt", Data("\(letters)\(letters)\n\(letters)\(letters)\n".utf8))
    func prompts(_ more: String...) throws -> [String] {
      let outcome = try command.run(
        ["enqueue", "--file", "p.txt", "--model", "m", "--templates", "random:3", "--dry-run", "--json"]
          + more)
      let shown = try #require(try outcome.object()["requests"] as? [[String: Any]])
      return shown.compactMap { $0["prompt"] as? String }
    }
    let first = try prompts()
    #expect(first.count == 6 && Set(first).count > 3, "\(first)")
    #expect(try prompts("--template-seed", "0") == first && prompts("--seed", "random") == first)
    #expect(try prompts("--template-seed", "1") != first)
    // The two lines are the same, and choose for themselves.
    #expect(first.prefix(3) != first.suffix(3))
  }

  @Test func aDryRunShowsEveryText() throws {
    let command = try Command()
    let outcome = try command(
      "enqueue", "{a|b|c} cat", "--model", "m", "--seeds", "1..9", "--templates", "combinatorial", "--dry-run"
    )
    #expect(outcome.code == 0 && outcome.errors == "", "\(outcome)")
    #expect(
      outcome.output.hasPrefix("a cat\nb cat\nc cat\n3 texts from templates: every combination\n\nPROMPT"),
      "\(outcome.output)")
    #expect(outcome.output.contains("27 jobs with 27 images would be queued"))
    let random = try command(
      "enqueue", "{a|a} cat", "--model", "m", "--templates", "random:2", "--template-seed", "7",
      "--negative-prompt",
      "x", "--dry-run")
    #expect(
      random.output.hasPrefix(
        "a cat  [negative: x]\na cat  [negative: x]\n2 texts from templates: 2 of each at random, template seed 7\n"
      ),
      "\(random.output)")
    let json = try command(
      "enqueue", "{a|b} cat", "--model", "m", "--templates", "random:3", "--template-seed", "7", "--dry-run",
      "--json"
    ).object()
    let choice = try #require(json["templates"] as? [String: Any])
    #expect(
      choice["choice"] as? String == "random:3" && choice["seed"] as? Int == 7 && choice["texts"] as? Int == 3
    )
    #expect(try command("enqueue", "c", "--model", "m", "--dry-run", "--json").object()["templates"] == nil)
    #expect(try FileManager.default.contentsOfDirectory(atPath: command.folder).isEmpty)
  }

  @Test func wildcardsAreFiles() throws {
    let command = try Command()
    try FileManager.default.createDirectory(
      atPath: command.folder + "/w/animals", withIntermediateDirectories: true)
    try command.file("w/animals/cats.txt", Data("# mine\nlion\ncat\n".utf8))
    for (arguments, environment) in [
      (["--wildcards", "w"], [:]), ([], ["XDG_CONFIG_HOME": command.folder + "/config"]),
      ([], ["HOME": command.folder + "/home", "XDG_CONFIG_HOME": "relative"]),
    ] {
      if arguments.isEmpty {
        let base = environment["XDG_CONFIG_HOME"] == "relative" ? "/home/.config" : "/config"
        try FileManager.default.createDirectory(
          atPath: command.folder + base + "/segmoe", withIntermediateDirectories: true)
        try FileManager.default.copyItem(
          atPath: command.folder + "/w", toPath: command.folder + base + "/segmoe/wildcards")
      }
      let outcome = try command.run(
        ["enqueue", "a __animals/cats__", "--model", "m", "--templates", "combinatorial", "--dry-run"]
          + arguments,
        environment: environment)
      #expect(outcome.output.hasPrefix("a cat\na lion\n2 texts"), "\(outcome)")
    }
    let base = ["enqueue", "--model", "m", "--templates", "combinatorial", "--wildcards", "w"]
    expectComplaint(
      try command.run(base + ["a __cats__"]), code: 66, "prompt 'a __cats__': column 3",
      "did you mean 'animals/cats'?")
    expectComplaint(
      try command("enqueue", "a", "--model", "m", "--templates", "random", "--wildcards", "gone"), code: 66,
      "--wildcards gone", "no such folder")
    try command.file("w/bad.txt", Data("fine\n  {x\n".utf8))
    expectComplaint(try command.run(base + ["__bad__"]), code: 65, "w/bad.txt:2:3: '{' is never closed")
  }

  /// Nothing is queued if one template is wrong, and the place is named.
  @Test func mistakesAreNamed() throws {
    let command = try Command()
    try command.file("p.txt", Data("fine\na {b|c\n".utf8))
    let base = ["enqueue", "--model", "m", "--templates", "combinatorial"]
    expectComplaint(
      try command.run(base + ["--file", "p.txt"]), code: 65,
      "p.txt:2: prompt 'a {b|c': column 3: '{' is never")
    expectComplaint(
      try command.run(base + ["a } b"]), code: 65, "prompt 'a } b': column 3: '}' closes nothing")
    expectComplaint(
      try command.run(base + ["a", "--negative-prompt", "%{x...$$y}"]), code: 65, "negative prompt '%{x",
      "a wrap")
    expectComplaint(try command.run(base + ["{2$$a|a}"]), code: 65, "every one would take something twice")
    let many = String(repeating: "{a|b}", count: 60)
    expectComplaint(
      try command.run(base + [many]), code: 65, "1152921504606846976 combinations; at most 10000")
    let some = String(repeating: "{a|b}", count: 7)
    expectComplaint(
      try command.run(base + [some, "--seeds", "1..100"]), code: 65,
      "128 texts with 100 combinations of settings")
    expectComplaint(
      try command.run(base + [some, "--negative-prompt", some]), code: 65, "16384 texts with 1 combinations")
    let isEmpty =
      try !FileManager.default.fileExists(atPath: command.database) || command.client().list().isEmpty
    #expect(isEmpty)
  }
}
