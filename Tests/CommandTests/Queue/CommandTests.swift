import Foundation
import JobStore
import Requests
import TestSupport
import Testing

@Suite struct CommandTests {
  static let names = [
    "enqueue", "list", "show", "watch", "cancel", "retry", "pause", "resume", "reorder", "purge", "models",
    "status", "stats", "doctor", "rerun",
  ]

  @Test(arguments: names)
  func everyCommandHelps(name: String) throws {
    let command = try Command()
    let overview = try command("--help")
    #expect(overview.code == 0)
    // Before another name of the same command stands a comma.
    #expect(overview.output.contains("  \(name) ") || overview.output.contains("  \(name), "))
    let help = try command(name, "--help")
    #expect(help.code == 0)
    #expect(help.errors == "")
    for word in ["USAGE: segmoectl \(name)", "--json", "--database"] { #expect(help.output.contains(word)) }
    // Help must not make a database.
    #expect(!FileManager.default.fileExists(atPath: command.database))
  }

  @Test func versionIsPrinted() throws {
    let version = try Command()("--version")
    #expect(version.code == 0)
    #expect(version.output.contains(/^[0-9]+\.[0-9]+\.[0-9]+\n$/))
  }

  @Test func listKeepsItsPromise() throws {
    let command = try Command()
    let session = try command.daemon()
    #expect(try command("list", "--json").output == "[]\n")
    _ = try command("enqueue", "a", "b", "--model", "m", "--seed", "5", "--count", "2")
    try command.render(session)
    let lease = try #require(try session.claim()).lease
    try session.report(ImageProgress(index: 0, phase: .denoising, step: 7, steps: 25), lease)

    let jobs = try command("list", "--json").list()
    #expect(jobs.count == 2)
    let done = jobs[0]
    #expect(done["id"] as? Int == 1)
    #expect(done["batch"] as? Int == 1)
    #expect(done["state"] as? String == "done")
    #expect(done["prompt"] as? String == "a")
    #expect(done["model"] as? String == "m")
    #expect(done["attempts"] as? Int == 1)
    #expect(done["error"] is NSNull)
    let files = try #require(done["images"] as? [[String: Any]])
    #expect(files.map { $0["path"] as? String } == ["/out/1-0.png", "/out/1-1.png"])
    #expect(files.map { $0["seed"] as? Int } == [5, 6])
    #expect(files.map { $0["index"] as? Int } == [0, 1])
    let images = try #require(jobs[1]["images"] as? [[String: Any]])
    #expect(jobs[1]["state"] as? String == "running")
    #expect(images.map { $0["step"] as? Int } == [7, 0])
    #expect(images.map { $0["steps"] as? Int } == [25, 25])
    #expect(images[0]["path"] is NSNull)
  }

  @Test func listsCanBeNarrowed() throws {
    let command = try Command()
    _ = try command("enqueue", "a", "b", "--model", "m")
    _ = try command("enqueue", "c", "--model", "m")
    _ = try command("cancel", "1")
    func ids(_ arguments: String...) throws -> [Int?] {
      try command.run(["list", "--json"] + arguments).list().map { $0["id"] as? Int }
    }
    #expect(try ids("--state", "queued") == [2, 3])
    #expect(try ids("--state", "queued", "--state", "cancelled", "--batch", "1") == [1, 2])
    #expect(try ids("--limit", "1") == [3])
    #expect(try ids("--limit", "0") == [1, 2, 3])
    expectComplaint(try command("list", "--state", "lost"), code: 64, "queued")
    expectComplaint(try command("list", "--batch", "9"), code: 65, "batch 9")
  }

  @Test func listsFindPromptsModelsAndTimes() throws {
    let command = try Command()
    _ = try command("enqueue", "a Red fox", "100% wool_sock", "back\\slash", "--model", "demo")
    try FileManager.default.createDirectory(
      atPath: command.folder + "/zoo/fox", withIntermediateDirectories: true)
    _ = try command("enqueue", "a red car", "--model", "./zoo/fox", "--run-after", "1h")
    let session = try command.daemon()
    try command.render(session)
    func ids(_ arguments: String...) throws -> [Int?] {
      try command.run(["list", "--json"] + arguments).list().map { $0["id"] as? Int }
    }
    #expect(
      try ids("--prompt", "RED") == [1, 4] && ids("--prompt", "0% w") == [2] && ids("--prompt", "%") == [2])
    #expect(
      try ids("--prompt", "_") == [2] && ids("--prompt", "\\") == [3] && ids("--prompt", "blue").isEmpty)
    #expect(
      try ids("--model", "demo") == [1, 2, 3] && ids("--model", "fox") == [4] && ids("--model", "em").isEmpty
    )
    #expect(try ids("--since", "1h") == [1, 2, 3, 4] && ids("--since", "2100-01-01").isEmpty)
    #expect(try ids("--prompt", "red", "--state", "queued", "--batch", "2") == [4])
    expectComplaint(try command("list", "--since", "soon"), code: 64, "'soon'")
    // Into a pipe nothing is cut, and nothing left out.
    let long = String(repeating: "long ", count: 100)
    for _ in 0..<3 {
      _ = try session.client.enqueue(
        BatchRequest(), requests: (0..<50).map { _ in JobRequest(RenderRequest(model: "demo", prompt: long)) }
      )
    }
    let text = try command("list").output
    #expect(text.contains(long) && text.split(separator: "\n").count == 156 && text.contains("/out/1-0.png"))
    #expect(try ids().count == 154 && ids("--limit", "7").count == 7)
  }

  @Test func showTellsEverything() throws {
    let command = try Command()
    _ = try command("enqueue", "a cat", "--model", "m", "--guidance", "3")
    try command.render(command.daemon())
    let shown = try command("show", "1", "--json").object()
    #expect(shown["state"] as? String == "done")
    #expect((shown["settings"] as? [String: Any])?["guidance"] as? Double == 3)
    #expect(
      (shown["files"] as? [[String: Any]])?.first?["sha256"] as? String == String(repeating: "a", count: 64))
    #expect(
      (shown["events"] as? [[String: Any]])?.map { $0["what"] as? String } == ["enqueued", "claimed", "done"])
    let text = try command("show", "1").output
    #expect(try command("inspect", "1").output == text)
    for part in ["a cat", "/out/1-0.png", "guidance 3", "claimed by w"] { #expect(text.contains(part)) }
  }

  @Test func promptsCannotDriveTheTerminal() throws {
    let command = try Command()
    let nasty = "x\u{1B}]0;title\u{7}\u{1B}[2J\u{9B}31m\u{202E}y\nz"
    let session = try command.daemon()
    _ = try session.client.enqueue(
      BatchRequest(), requests: [JobRequest(RenderRequest(model: "m\u{1B}[1m", prompt: nasty))])
    let lease = try #require(try session.claim()).lease
    try session.fail(lease, message: "bad \u{1B}[31m", kind: .badInput)
    for arguments in [
      ["list"], ["show", "1"], ["watch"], ["list", "--json"], ["show", "1", "--json"], ["status"],
    ] {
      let outcome = try command.run(arguments)
      #expect(outcome.code == 0)
      let raw = outcome.output.unicodeScalars.filter {
        $0 != "\n" && [.control, .format].contains($0.properties.generalCategory)
      }
      #expect(raw.isEmpty, "\(arguments)")
    }
    #expect(try command("list", "--json").list().first?["prompt"] as? String == nasty)
    let complaint = try command("enqueue", "p", "--model", "./\u{1B}[31mred")
    #expect(complaint.code == 66)
    #expect(!complaint.errors.contains("\u{1B}"))
  }

  @Test func controlsAnswerInJSON() throws {
    let command = try Command()
    _ = try command("enqueue", "a", "b", "--model", "m")
    let session = try command.daemon()
    _ = try session.claim()
    #expect(
      try command("cancel", "--batch", "1", "--json").output
        == "{\"cancelled\": 1, \"stopping\": 1, \"pictures\": [], \"discarded\": false, \"dry_run\": false}\n"
    )
    #expect(
      try command("retry", "2", "--json").output == "{\"queued\": 1, \"pictures\": [], \"dry_run\": false}\n")
    #expect(
      try command("reorder", "2", "--priority", "5", "--json").output
        == "{\"id\": 2, \"priority\": 5, \"priority_before\": 0, \"dry_run\": false}\n")
    let (was, counts) = ("\"batch\": null, \"was_paused\"", "\"queued\": 1, \"dry_run\": false}\n")
    #expect(try command("pause", "--json").output == "{\"paused\": true, \(was): false, \(counts)")
    #expect(try session.claim() == nil)
    #expect(try command("resume", "--json").output == "{\"paused\": false, \(was): true, \(counts)")
    let batch = try command("pause", "--batch", "1", "--json").object()
    #expect(batch["paused"] as? Bool == true && batch["batch"] as? Int == 1)
    #expect(try session.client.batch(1).isPaused)
  }

  /// What is removed is said first, and a look changes nothing.
  @Test func picturesAreNamedBeforeSomethingHappensToThem() throws {
    let command = try Command()
    _ = try command("enqueue", "a", "b", "--model", "m", "--count", "2", "--name", "pets")
    let session = try command.daemon()
    let claimed = try #require(try session.claim())
    let image = ImageRecord(
      index: 0, path: "/out/1/1-0.png", seed: 4, width: 8, height: 8,
      digest: String(repeating: "a", count: 64), bytes: 9, seconds: 1.5)
    try session.announce(image, step: 2, modelDigest: "m", claimed.lease)

    let look = try command("cancel", "--batch", "pets", "--dry-run")
    #expect(
      look.output == """
        1 finished picture stays:
          /out/1/1-0.png
        1 would be cancelled, 1 running would stop

        """)
    #expect(try command.client().list().map(\.state) == [.running, .queued])
    #expect(
      try command("cancel", "1", "--discard").output.hasPrefix("1 finished picture goes:\n  /out/1/1-0.png\n")
    )
    let json = try command("cancel", "--batch", "1", "--discard", "--dry-run", "--json").object()
    #expect(json["pictures"] as? [String] == ["/out/1/1-0.png"] && json["dry_run"] as? Bool == true)
    try session.cancelled(claimed.lease)
    _ = try session.settleLeftovers(below: "/out") { $0.isUnwanted ? .forget : .keep }
    let retry = try command("retry", "1", "--dry-run")
    #expect(retry.output == "1 would be queued again\n" && retry.code == 0)
    #expect(try command.client().list().map(\.state) == [.cancelled, .queued])
    expectComplaint(try command("retry", "9", "--dry-run"), code: 65, "job 9")
    #expect(try command("retry", "2", "--dry-run").output == "1 would be queued again\n")
  }

  /// `--dry-run` says what would change, and changes nothing.
  @Test func aLookAtAPauseOrAnOrderChangesNothing() throws {
    let command = try Command()
    _ = try command("enqueue", "a", "b", "--model", "m", "--name", "pets")
    let store = try command.client()
    let before = try store.newestEvent()
    func look(_ arguments: String...) throws -> String {
      let outcome = try command.run(arguments + ["--dry-run"])
      #expect(outcome.code == 0 && outcome.errors == "", "\(outcome)")
      return outcome.output
    }
    #expect(try look("pause") == "the queue would be paused with 2 queued jobs; what runs would go on\n")
    #expect(try look("resume", "--batch", "pets") == "batch 1 is not paused; nothing would change\n")
    #expect(try look("reorder", "2", "--priority", "5") == "job 2 would have priority 5, before 0\n")
    let json = try command("reorder", "2", "--priority", "5", "--dry-run", "--json").object()
    #expect(json["dry_run"] as? Bool == true && json["priority_before"] as? Int == 0)
    #expect(try store.newestEvent() == before && !store.status().isPaused && !store.batch(1).isPaused)
    #expect(try store.details(job: 2).job.request.priority == 0)
    // What would be refused is refused.
    expectComplaint(try command("pause", "--batch", "9", "--dry-run"), code: 65, "batch 9")
    expectComplaint(try command("reorder", "9", "--priority", "1", "--dry-run"), code: 65, "job 9")
    #expect(try command("pause", "--batch", "pets").output == "batch 1 is paused; what runs goes on\n")
    #expect(try look("pause", "--batch", "1") == "batch 1 is paused already; nothing would change\n")
    #expect(try look("resume", "--batch", "1") == "batch 1 would go on with 2 queued jobs\n")
    #expect(try store.batch(1).isPaused)
  }

  @Test func batchesHaveNames() throws {
    let command = try Command()
    _ = try command("enqueue", "a", "--model", "m", "--name", "tuesday")
    _ = try command("enqueue", "b", "--model", "m", "--name", "tuesday evening")
    _ = try command("enqueue", "c", "--model", "m", "--name", "wednesday")
    _ = try command("enqueue", "d", "--model", "m", "--name", "2")
    func prompts(_ batch: String) throws -> [String?] {
      try command("list", "--json", "--batch", batch).list().map { $0["prompt"] as? String }
    }
    // By name, by its beginning, and by number before a name that is one.
    #expect(try prompts("tuesday") == ["a"])
    #expect(try prompts("wed") == ["c"])
    #expect(try prompts("2") == ["b"])
    expectComplaint(try command("list", "--batch", "tue"), code: 65, "2, 1", "number")
    expectComplaint(try command("list", "--batch", "%"), code: 65, "batch %")
    for verb in ["pause", "resume", "cancel", "retry"] {
      #expect(try command(verb, "--batch", "wednesday").code == 0)
    }
    #expect(try command("watch", "--batch", "wednesday", "--help").code == 0)
    #expect(try command("stats", "--batch", "tuesday e").output == "Nothing is done yet.\n")
  }

  @Test func whatIsNotThereIsAnError() throws {
    let command = try Command()
    _ = try command.client()
    for arguments in [
      ["show", "9"], ["cancel", "9"], ["retry", "9"], ["watch", "9"], ["reorder", "9", "--priority", "1"],
    ] {
      expectComplaint(try command.run(arguments), code: 65, "job 9")
    }
    for arguments in [
      ["cancel", "--batch", "9"], ["retry", "--batch", "9"], ["pause", "--batch", "9"],
      ["watch", "--batch", "9"],
    ] {
      expectComplaint(try command.run(arguments), code: 65, "batch 9")
    }
    for arguments in [
      ["show"], ["show", "x"], ["cancel"], ["cancel", "1", "--batch", "1"], ["frobnicate"],
      ["watch", "1", "--batch", "1"],
    ] {
      expectComplaint(try command.run(arguments), code: 64)
    }
  }

  @Test func modelsAndStatus() throws {
    let command = try Command()
    let session = try command.daemon(beats: true)
    #expect(try command("models", "--json").output == "[]\n")
    try session.register(ModelRecord(name: "demo", path: "/m/demo", kind: "segmoe"), loaded: true)
    #expect(try command("models", "--json").list().first?["path"] as? String == "/m/demo")
    #expect(try command("models").output.contains("segmoe"))
    #expect(try command("stats").output == "Nothing is done yet.\n")
    #expect(try command("stats", "--json").output == "[]\n")
    #expect(try command("stats", "--batch", "7").code != 0)
    let status = try command("status", "--json").object()
    #expect(status["queued"] as? Int == 0)
    #expect((status["workers"] as? [[String: Any]])?.first?["alive"] as? Bool == true)
  }

  /// SQLite by itself would make a queue that the group can read but not write.
  @Test(arguments: [("007", "660"), ("022", "644"), ("077", "600")])
  func theUmaskDecidesWhoMayWrite(umask: String, mode: String) throws {
    let command = try Command()
    let outcome = try Outcome(
      of: "/bin/sh",
      [
        "-c", "umask \(umask); exec \"$0\" --database \"$1\" enqueue fox --model demo >/dev/null",
        Places.program("segmoectl"), command.database,
      ])
    #expect(outcome.code == 0)
    let attributes = try FileManager.default.attributesOfItem(atPath: command.database)
    let permissions = try #require(attributes[.posixPermissions] as? Int)
    #expect(String(permissions, radix: 8) == mode)
  }

  @Test func databasesThatWontDo() throws {
    let command = try Command()
    try command.file("text", Data(String(repeating: "no database ", count: 100).utf8))
    expectComplaint(try command("list", "--database", "text"), code: 65, "/text")
    expectComplaint(try command("--database", command.folder, "list"), code: 66, "folder")
    expectComplaint(try command("list", "--database", "text/below/q"), code: 66, "text/below")
    // Before and behind the command; the nearer one counts.
    #expect(
      try command("--database", "text", "enqueue", "p", "--model", "m", "--database", "fresh/q.sqlite").code
        == 0)
    #expect(FileManager.default.fileExists(atPath: command.folder + "/fresh/q.sqlite"))
  }
}
