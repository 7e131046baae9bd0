import Foundation
import JobStore
import Requests
import Testing

/// What one enqueue makes of many values, of none, and of an earlier job's.
@Suite struct EnqueueGridTests {
  /// Every prompt has a seed of its own, which its row keeps; with a key they are the same at every try.
  @Test(arguments: ["random", "-1"]) func randomSeeds(text: String) throws {
    let command = try Command()
    try command.file(
      "p.txt",
      Data(
        "plain\n{\"prompt\": \"own\", \"seed\": 7}\n{\"prompt\": \"r\", \"seed\": \"random\"}\n{\"prompt\": \"m\", \"seed\": -1}\n"
          .utf8))
    #expect(try command("enqueue", "a", "b", "--model", "m", "--file", "p.txt", "--seed", text).code == 0)
    let seeds = try command.client().list().map { $0.images[0].seed }
    #expect(
      seeds[3] == 7 && Set(seeds).count == 6 && seeds.allSatisfy { $0 <= UInt64(UInt32.max) }, "\(seeds)")
    let first = try command("enqueue", "a", "b", "--model", "m", "--seed", text, "--key", "k", "--json")
    let again = try command("enqueue", "a", "b", "--model", "m", "--seed", text, "--key", "k", "--json")
    #expect(first.code == 0 && first.output == again.output)
    #expect(try command.client().list().count == 8)
  }

  /// A variation seed may be random, too; beside it the seed stays what it is.
  @Test func randomVariationSeeds() throws {
    let command = try Command()
    let settings = ["--seed", "3", "--variation-strength", "0.1,0.2", "--variation-seed"]
    for arguments in [["random"], ["-1"], ["random", "--key", "k"]] {
      #expect(try command.run(["enqueue", "a", "b", "--model", "m"] + settings + arguments).code == 0)
    }
    #expect(
      try command.run(["enqueue", "a", "b", "--model", "m"] + settings + ["random", "--key", "k"]).code == 0)
    try command.file(
      "p.txt", Data("{\"prompt\": \"r\", \"variation_seed\": \"random\"}\n{\"prompt\": \"own\"}\n".utf8))
    #expect(try command.run(["enqueue", "--file", "p.txt", "--model", "m"] + settings + ["7"]).code == 0)
    let jobs = try command.client().list().map { try command.client().details(job: $0.id).job.request.render }
    #expect(jobs.count == 16 && jobs.allSatisfy { $0.seed == 3 })
    #expect(Set(jobs.map(\.variationStrength)) == [0.1, 0.2])
    #expect(Set(jobs.prefix(14).map(\.variationSeed)).count == 14)
    #expect(jobs.suffix(2).allSatisfy { $0.prompt == "own" && $0.variationSeed == 7 })
  }

  /// Every prompt with every combination; a line's own settings are no part of it.
  @Test func gridsOfSettings() throws {
    let command = try Command()
    try command.file("p.txt", Data("plain\n{\"prompt\": \"own\", \"steps\": 3}\n".utf8))
    let outcome = try command(
      "enqueue", "--file", "p.txt", "--models", "m,n", "--steps", "10,25", "--seeds", "1..3,9", "--json")
    #expect(outcome.code == 0, "\(outcome)")
    let requests = try command.client().list().map {
      try command.client().details(job: $0.id).job.request.render
    }
    let plain = requests.filter { $0.prompt == "plain" }
    #expect(plain.count == 16 && plain.prefix(5).map(\.seed) == [1, 2, 3, 9, 1])
    #expect(
      plain.map(\.steps).prefix(5) == [10, 10, 10, 10, 25] && plain.prefix(8).allSatisfy { $0.model == "m" })
    let own = requests.filter { $0.prompt == "own" }
    #expect(own.count == 8 && own.allSatisfy { $0.steps == 3 })

    let guidance = try command(
      "enqueue", "g", "--model", "m", "--guidance", "-1..0.5:0.5", "--dry-run", "--json")
    let shown = try #require(try guidance.object()["requests"] as? [[String: Any]])
    #expect(shown.map { $0["guidance"] as? Double } == [-1, -0.5, 0, 0.5])
    let interval = try command(
      "enqueue", "g", "--model", "m", "--guidance-from", "0,0.25", "--guidance-until", "0.5..1:0.25",
      "--deep-cache", "1,3:1", "--token-merging", "0,0.5", "--scheduler", "ddim", "--eta", "0,1", "--dry-run",
      "--json")
    let tried = try #require(try interval.object()["requests"] as? [[String: Any]])
    for (name, count) in [
      ("guidance_from", 2), ("guidance_until", 3), ("deep_cache", 2), ("token_merging", 2), ("eta", 2),
    ] {
      #expect(Set(tried.map { "\($0[name] ?? "")" }).count == count, "\(name)")
    }
    #expect(tried.count == 48)
    #expect(try command.client().status().counts.total == 24)
    for (arguments, part) in [
      (["--steps", "10,"], "steps"), (["--steps", "4..1"], "smaller"), (["--steps", "1..x"], "1..4"),
      (["--seeds", "1..1000000"], "10000"), (["--seeds", "1..200", "--steps", "1..200"], "10000"),
      (["--seeds", "1", "--seed", "2"], "--seeds"), (["--models", "a,b", "--model", "c"], "--models"),
      (["--models", "a,,b"], "model"), (["--steps", "10,2000"], "--steps is 2000"),
      (["--crop", "1..2"], "crop"),
      (["--guidance", "0..1:0"], "range"),
    ] {
      let model = arguments.contains { $0.hasPrefix("--model") } ? [] : ["--model", "m"]
      expectComplaint(try command.run(["enqueue", "p"] + model + arguments), code: 64, part)
    }
    #expect(try command.client().status().counts.total == 24)
  }

  @Test func aDryRunShowsAndMakesNothing() throws {
    let command = try Command()
    let outcome = try command(
      "enqueue", "a cat", "--model", "m", "--seeds", "1..30", "--count", "2", "--dry-run")
    #expect(outcome.code == 0 && outcome.errors == "")
    #expect(outcome.output.contains("and 10 more\n30 jobs with 60 images would be queued; nothing like it"))
    #expect(outcome.output.contains("a cat   m      seed 1, count 2"), "\(outcome.output)")
    // A list shows its default too.
    let grid = try command("enqueue", "a cat", "--model", "m", "--seed", "1", "--steps", "10,25", "--dry-run")
    #expect(grid.output.contains("steps 10,") && grid.output.contains("steps 25,"), "\(grid.output)")
    let single = try command("enqueue", "a cat", "--model", "m", "--dry-run")
    #expect(single.output.contains("\n1 job with 1 image would be queued; nothing like it"))
    #expect(try FileManager.default.contentsOfDirectory(atPath: command.folder).isEmpty)
    expectComplaint(try command("enqueue", "--model", "m", "--dry-run"), code: 65, "no prompt")
    // By what such jobs took: a second a picture of 25 steps.
    _ = try command("enqueue", "a", "--model", "m", "--width", "512", "--height", "512")
    try command.render(command.daemon())
    let known = try command(
      "enqueue", "b", "--model", "m", "--width", "512", "--height", "1024", "--steps", "50", "--dry-run",
      "--json")
    #expect(try known.object()["seconds"] as? Double == 4)
    #expect(try command("enqueue", "b", "--model", "n", "--dry-run", "--json").object()["seconds"] is NSNull)
    #expect(try command.client().list().count == 1)
  }

  @Test func theOnlyModelNeedNotBeNamed() throws {
    let command = try Command()
    expectComplaint(try command("enqueue", "p"), code: 64, "no model: name one with --model")
    let session = try command.daemon()
    try session.register(ModelRecord(name: "demo", path: "/m/demo", kind: "sd"), loaded: true)
    // The same under another name.
    try session.register(ModelRecord(name: "/m/demo", path: "/m/demo", kind: "sd"), loaded: true)
    #expect(try command("enqueue", "p").code == 0)
    #expect(
      try command("enqueue", input: Data("{\"prompt\": \"q\", \"model\": \"x\"}\nplain\n".utf8)).code == 0)
    #expect(try command.client().list().map(\.model) == ["demo", "x", "demo"])
    try session.register(ModelRecord(name: "other", path: "/m/other", kind: "sd"), loaded: true)
    expectComplaint(try command("enqueue", "p"), code: 64, "known are demo, other")
  }

  /// Whoever gives a setting that changes nothing is told, once.
  @Test func settingsWithoutEffectAreSaid() throws {
    let command = try Command()
    try command.file("e.safetensors", Data("x".utf8))
    let session = try command.daemon()
    try session.register(ModelRecord(name: "one", path: "/m/one", kind: "segmoe-sd"), loaded: true)
    try session.register(ModelRecord(name: "two", path: "/m/two", kind: "sdxl"), loaded: true)
    for (arguments, notices) in [
      (["--guidance", "1", "--negative-prompt", "blurry"], ["negative prompt has no effect: guidance of 1"]),
      (["--guidance", "0.5", "--guidance-rescale", "0.7"], ["guidance rescale has no effect"]),
      (["--variation-seed", "3"], ["variation seed has no effect: the variation strength is 0"]),
      (["--variation-seed", "3", "--variation-strength", "0.1"], []),
      (
        ["--crop", "0,0", "--target-size", "64x64"],
        ["crop has no effect: only models of SDXL", "target size has no effect"]
      ),
      (["--embedding", "e.safetensors:<cat>"], ["no prompt has the token <cat>"]),
      (["--guidance", "1", "--negative-prompt", ""], []), (["--embedding", "e.safetensors"], []),
    ] {
      let outcome = try command.run(["enqueue", "a", "b", "--model", "one"] + arguments)
      #expect(outcome.code == 0)
      let lines = outcome.errors.split(separator: "\n")
      #expect(lines.count == notices.count, "\(arguments): \(outcome.errors)")
      for notice in notices {
        #expect(outcome.errors.contains(notice), "\(notice) is not in \(outcome.errors)")
      }
    }
    #expect(try command("enqueue", "a", "--model", "two", "--crop", "0,0").errors == "")
    #expect(
      try command("enqueue", "a <CAT>", "--model", "two", "--embedding", "e.safetensors:<cat>").errors == "")
  }

  @Test func likeAJobButChanged() throws {
    let command = try Command()
    try command.file("l.safetensors", Data("x".utf8))
    _ = try command(
      "enqueue", "a cat", "--model", "m", "--seed", "9", "--steps", "7", "--lora", "l.safetensors:0.5",
      "--count", "2")
    #expect(try command("enqueue", "--like", "1", "--steps", "8").code == 0)
    #expect(try command("enqueue", "a dog", "b", "--like", "1", "--seeds", "1,2").code == 0)
    let jobs = try command.client().list().map { try command.client().details(job: $0.id).job.request.render }
    #expect(jobs.map(\.prompt) == ["a cat", "a cat", "a dog", "a dog", "b", "b"])
    #expect(jobs.map(\.steps) == [7, 8, 7, 7, 7, 7] && jobs.map(\.seed) == [9, 9, 1, 2, 1, 2])
    #expect(jobs.allSatisfy { $0.loras == jobs[0].loras && $0.count == 2 && $0.model == "m" })
    expectComplaint(try command("enqueue", "--like", "99"), code: 65, "no job 99")
    expectComplaint(try command("enqueue", "--like", "gone.png"), code: 66, "gone.png")
    expectComplaint(try command("enqueue", "--like", "l.safetensors"), code: 65, "l.safetensors")
  }
}
