import Foundation
import GRDB
import Images
import JobStore
import TestSupport
import Testing

/// What every command of the real segmoectl prints with `--json`, against its published schema: over a queue with jobs in
/// all states, in such a way that every member of every schema is shown at least once.
@Suite struct QueueOutputTests {
  /// Prompts that have, all together, every setting.
  private static let prompts = """
    {"prompt": "x", "negative_prompt": "n", "width": 64, "height": 64, "scheduler": "ddim", "eta": 0.5, \
    "loras": ["l.safetensors:0.5"], "embeddings": ["e.safetensors:x"], "vae": "v.safetensors", \
    "init_image": "i.png", "strength": 0.5, "mask": "m.png", "original_size": "1024x768", "crop": "0,64", \
    "target_size": "1024x768", "memory_budget": "4GiB"}
    {"prompt": "y", "scheduler": "euler", "timesteps": [999, 500]}
    {"prompt": "y", "scheduler": "euler", "sigma_list": "14.6,3,0.5,0"}
    {"prompt": "y", "scheduler": "euler", "sigmas": "karras", "deep_cache": "3", "token_merging": 0.5, \
    "variation_seed": 5, "variation_strength": 0.5, "priority": 3}
    """

  /// A queue, and what its commands have printed.
  private struct Seen {
    let command: Command
    var published: PublishedSchemas

    init() throws {
      command = try Command()
      published = try PublishedSchemas()
      for name in ["l.safetensors", "e.safetensors", "v.safetensors", "i.png", "m.png"] {
        try command.file(name, Data("x".utf8))
      }
      try command.file("p.jsonl", Data(QueueOutputTests.prompts.utf8))
    }

    /// Runs a command and compares what it prints.
    /// - Parameters:
    ///   - arguments: of it.
    ///   - code: the exit code; nil: that depends on the machine.
    mutating func run(_ arguments: String..., code: Int32? = 0, location: SourceLocation = #_sourceLocation)
      throws
    {
      let outcome = try command.run(arguments + ["--json"])
      if let code { #expect(outcome.code == code, "\(outcome)", sourceLocation: location) }
      try judge(outcome.output, by: arguments[0], location)
    }

    mutating func judge(
      _ output: String, by name: String, _ location: SourceLocation = #_sourceLocation
    ) throws {
      let faults = try published.judge(output, by: "segmoectl-\(name)")
      #expect(faults == [], "segmoectl \(name): \(output)", sourceLocation: location)
    }

    /// Starts a command that takes its time, lets things happen, and compares what it has printed.
    /// - Parameters:
    ///   - arguments: of it.
    ///   - body: gets a function that waits until the output has a text.
    mutating func follow(_ arguments: [String], _ body: ((String) throws -> Void) throws -> Void) throws {
      let path = command.folder + "/followed"
      try command.file("followed", Data())
      let output = try #require(FileHandle(forWritingAtPath: path))
      let process = try command.start(arguments + ["--json"], output: output, errors: Pipe())
      defer { if process.isRunning { kill(process.processIdentifier, SIGKILL) } }
      try body { text in
        while try !String(contentsOfFile: path, encoding: .utf8).contains(text) {
          try #require(process.isRunning, "it ended without \(text)")
          Thread.sleep(forTimeInterval: 0.02)
        }
      }
      process.waitUntilExit()
      #expect(process.terminationStatus == 0)
      try judge(try String(contentsOfFile: path, encoding: .utf8), by: arguments[0])
    }
  }

  @Test func everyCommandPrintsWhatItsSchemaSays() throws {
    var seen = try Seen()
    try seen.run("enqueue", "--file", "p.jsonl", "--model", "m", "--dry-run")
    try seen.run("enqueue", "{a|b}", "--templates", "combinatorial", "--model", "m", "--dry-run")
    // Jobs 1 to 4, the last of which goes first.
    try seen.run("enqueue", "--file", "p.jsonl", "--model", "m")
    let session = try seen.command.daemon(numerics: "1/avx2/x", beats: true)
    try session.introduce("2 GiB")
    try renderInEveryWay(session, &seen)
    try waitForAHub(session, &seen)
    try lookAtModels(session, &seen)
    try session.heartbeat()
    try look(&seen)
    try followAJob(session, &seen)
    try session.heartbeat()
    try showPictures(session, &seen)
    try goThroughShards(&seen)
    try session.heartbeat()
    try change(&seen)
    try move(&seen)
    try share(&seen)
    for name in seen.published.folder.names where name.hasPrefix("segmoectl-") && name != "segmoectl-rerun" {
      #expect(seen.published.gaps(in: name) == [], "\(name)")
    }
  }

  /// It takes the minute after which nobody waits for a daemon any more.
  @Test func whoGivesUpWaitingSaysWhatThereIs() throws {
    var seen = try Seen()
    let outcome = try seen.command("enqueue", "a", "--model", "m", "--wait", "--json")
    #expect(outcome.code == 69 && outcome.errors.contains("the jobs stay queued"), "\(outcome)")
    try seen.judge(outcome.output, by: "enqueue")
    let last = try JSONNode(String(try #require(outcome.output.split(separator: "\n").last)))
    #expect(last["queued"] == .number(1) && last["jobs"]?.list?.first?["state"] == .string("queued"))
  }

  /// One done, one failed, one running, one to be tried again, one not due.
  private func renderInEveryWay(_ session: WorkerSession, _ seen: inout Seen) throws {
    let done = try #require(try session.claim())
    let image = ImageRecord(
      index: 0, path: "/out/4-0.png", seed: 0, width: 8, height: 8, digest: String(repeating: "a", count: 64),
      bytes: 1, seconds: 1, numerics: "1/avx2/x")
    try session.finish(
      done.lease, images: [image], statistics: RenderStatistics(),
      modelDigest: String(repeating: "b", count: 64))
    try session.fail(
      try #require(try session.claim()).lease, message: "it is wrong: write another", kind: .badInput)
    try session.fail(
      try #require(try session.claim()).lease, message: "no room: make some", kind: .transient)
    let running = try #require(try session.claim())
    let end = Date().addingTimeInterval(600).milliseconds
    _ = try session.report(
      ImageProgress(index: 0, phase: .denoising, step: 1, steps: 3, secondsPerStep: 2.5, expectedEnd: end),
      running.lease)
    try session.heartbeat()
    try seen.run("enqueue", "later", "--model", "m", "--run-after", "2h")
    // What such a job takes is known once one is done.
    try seen.run("enqueue", "sized", "--model", "n", "--width", "512", "--height", "512", "--priority", "9")
    try seen.command.render(session)
    try seen.run("enqueue", "b", "--model", "n", "--width", "512", "--height", "512", "--dry-run")
  }

  /// One source that is here, and one that its site does not give.
  private func waitForAHub(_ session: WorkerSession, _ seen: inout Seen) throws {
    try seen.run("enqueue", "here", "--model", "owner/here")
    try seen.run("enqueue", "gone", "--model", "owner/gone")
    let fetcher = try fetcher(seen.command)
    let (commit, here) = (String(repeating: "c", count: 40), try #require(try fetcher.claim()))
    try fetcher.finish(here, name: "owner/here@\(commit)", revision: commit, path: "/hub/here", bytes: 5)
    try fetcher.fail(
      try #require(try fetcher.claim()), message: "the site does not answer: wait", tryingAgainIn: 600)
    // The newest two jobs.
    for job in try seen.command.client().list().suffix(2).map(\.id) { try seen.run("show", "\(job)") }
  }

  private func fetcher(_ command: Command) throws -> FetcherSession {
    try FetcherSession.signOn(
      QueueDatabase.open(path: command.database, role: .client),
      FetcherRecord(pid: 1, host: "h", version: "1")
    ) { _ in true }
  }

  private func lookAtModels(_ session: WorkerSession, _ seen: inout Seen) throws {
    let digest = String(repeating: "d", count: 64)
    try session.register(
      ModelRecord(
        name: "m", path: "/models/m", kind: "sd", digest: digest, bytes: 5, description: "4x2, layers all"),
      loaded: true)
    try session.register(ModelRecord(name: "broken"), loaded: false)
    try seen.command.sqlite().write { db in
      try db.execute(
        sql: "UPDATE models SET load_error = 'is damaged', held_until = ? WHERE name = 'broken'",
        arguments: [Date().addingTimeInterval(600).milliseconds])
    }
    try seen.run("models")
  }

  private func look(_ seen: inout Seen) throws {
    try seen.run("list")
    try seen.run("status")
    try seen.run("stats")
    try seen.run("doctor", code: nil)
    for job in 1...4 { try seen.run("show", "\(job)") }
  }

  /// What `watch` and `enqueue --wait` say of a job that a hub's model, a daemon and time make done.
  private func followAJob(_ session: WorkerSession, _ seen: inout Seen) throws {
    let fetcher = try fetcher(seen.command)
    try seen.run("enqueue", "watched", "--model", "owner/watched", "--name", "watched", "--priority", "99")
    try seen.follow(["watch", "--batch", "watched"]) { until in
      try until("\"source\": \"owner/watched\"")
      let commit = String(repeating: "e", count: 40)
      try fetcher.finish(
        try #require(try fetcher.claim()), name: "owner/watched@\(commit)", revision: commit,
        path: "/hub/watched",
        bytes: 5)
      let claimed = try #require(try session.claim())
      try until("\"prompt\": \"watched\"")
      try session.finish(claimed.lease, images: [Self.image(of: claimed)], statistics: RenderStatistics())
    }
    try seen.follow(["enqueue", "awaited", "--model", "m", "--priority", "99", "--wait"]) { until in
      try until("\"batch\"")
      let claimed = try #require(try session.claim())
      try session.finish(claimed.lease, images: [Self.image(of: claimed)], statistics: RenderStatistics())
    }
  }

  /// What shows pictures, and puts them on a page.
  private func showPictures(_ session: WorkerSession, _ seen: inout Seen) throws {
    let picture = try RGBImage(width: 16, height: 16, red: 9, green: 90, blue: 200)
    let command = seen.command
    try seen.run("enqueue", "shown", "--model", "m", "--priority", "99", "--name", "shown")
    let path = try #require(try command.finish(session, with: [picture]).first)
    try seen.run("view", path)
    // There is no desktop here.
    try seen.run("open", path, code: 69)
    try seen.run("sheet", "shown", "--output", "shown.png")
    try command.file("one.txt", Data("compared\n".utf8))
    for arguments in [
      ["compare", "--models", "m", "--prompts", "one.txt"],
      ["xy", "crossed", "--x", "seed=1", "--model", "m"],
    ] {
      let whole = arguments + ["--output", arguments[0] + ".png"]
      try seen.follow(whole) { until in
        try until("\"batch\"")
        let job = try #require(try command.client().list().last?.id)
        try command.client().setPriority(99, job: job)
        try command.finish(session, with: [picture])
      }
    }
  }

  /// A batch that goes into shards, which a program in the place of Slurm takes, and comes back as it was.
  private func goThroughShards(_ seen: inout Seen) throws {
    let (command, folder) = (seen.command, seen.command.folder + "/shards")
    try seen.run("enqueue", "sharded", "--model", "m", "--name", "sharded")
    try seen.run("shard", "sharded", "--shards", "1", "--to", folder, "--models", "/models")
    try seen.run("list", "--batch", "sharded")
    try seen.run("show", "\(try #require(try command.client().list().last?.id))")
    try seen.run("status")
    try command.file("bin/sbatch", Data("#!/bin/sh\necho 4711\n".utf8))
    try FileManager.default.setAttributes(
      [.posixPermissions: 0o755], ofItemAtPath: command.folder + "/bin/sbatch")
    let submitted = try command.run(
      ["submit", "--slurm", folder, "--json"], environment: ["PATH": command.folder + "/bin:/usr/bin:/bin"])
    #expect(submitted.code == 0, "\(submitted)")
    try seen.judge(submitted.output, by: "submit")
    try seen.run("collect", folder)
    try seen.run("collect", folder, "--give-up")
  }

  /// Another queue, on which nobody works.
  private func move(_ seen: inout Seen) throws {
    #expect(try seen.command("enqueue", "moved", "--model", "m", "--database", "from.sqlite").code == 0)
    try seen.run("move", "--from", "from.sqlite", "--to", "to.sqlite", "--dry-run")
    try seen.run("move", "--from", "from.sqlite", "--to", "to.sqlite")
  }

  private func share(_ seen: inout Seen) throws {
    try FileManager.default.createDirectory(
      atPath: seen.command.folder + "/place", withIntermediateDirectories: false)
    for more in [[], ["--name", "demo"]] {
      let outcome = try seen.command.run(
        ["share", "l.safetensors", "--shared", "place", "--json"] + more,
        environment: ["HOME": seen.command.folder])
      #expect(outcome.code == 0, "\(outcome)")
      try seen.judge(outcome.output, by: "share")
    }
  }

  private static func image(of claimed: ClaimedJob) -> ImageRecord {
    ImageRecord(
      index: 0, path: "/out/\(claimed.job.id)-0.png", seed: claimed.request.render.seed, width: 8, height: 8,
      digest: String(repeating: "a", count: 64), bytes: 1, seconds: 1)
  }

  private func change(_ seen: inout Seen) throws {
    let running = try #require(try seen.command.client().list().first { $0.state == .running }?.id)
    try seen.run("cancel", "\(running)", "--dry-run")
    try seen.run("cancel", "\(running)")
    #expect(try seen.command("list", "--json").list().contains { $0["cancel_requested"] as? Bool == true })
    try seen.run("list")
    let later = try #require(try seen.command.client().list().first { $0.prompt == "later" })
    try seen.run("edit", "\(later.id)", "--steps", "12", "--model", "owner/edited", "--dry-run")
    try seen.run("edit", "\(later.id)", "--steps", "12", "--model", "owner/edited")
    try seen.run(
      "enqueue", "after", "--model", "m", "--name", "patterned", "--name-pattern", "{job}", "--after",
      "\(later.batch)")
    try seen.run("show", "\(try #require(try seen.command.client().list().last?.id))")
    try seen.run("reorder", "\(later.id)", "--priority", "-5", "--dry-run")
    try seen.run("reorder", "\(later.id)", "--priority", "-5")
    try seen.run("pause", "--dry-run")
    try seen.run("resume", "--dry-run")
    try seen.run("pause")
    // Here is something to mend.
    try seen.run("doctor", code: nil)
    try seen.run("pause", "--batch", "\(later.batch)")
    #expect(try seen.command("show", "\(later.id)", "--json").object()["held"] as? Bool == true)
    try seen.run("status")
    try seen.run("resume", "--batch", "\(later.batch)")
    try seen.run("resume")
    try seen.run("cancel", "\(later.id)", "--discard")
    try seen.run("retry", "\(later.id)", "--dry-run")
    try seen.run("retry", "\(later.id)")
    try seen.run("purge", "--keep", "0", "--dry-run")
    try seen.run("purge", "--keep", "0")
  }
}
