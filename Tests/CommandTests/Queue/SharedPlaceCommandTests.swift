import Foundation
import Requests
import TestSupport
import Testing

/// `segmoectl enqueue` on a queue that other machines use: files of this one go into a shared place, or are refused.
@Suite struct SharedPlaceCommandTests {
  private func folderWithFiles() throws -> Command {
    let command = try Command()
    for name in ["cat.png", "mask.png", "robot.safetensors", "taesd/config.json", "word.safetensors"] {
      let path = "\(command.folder)/\(name)"
      try FileManager.default.createDirectory(
        atPath: URL(fileURLWithPath: path).deletingLastPathComponent().path, withIntermediateDirectories: true
      )
      try Data("\(name), some bytes".utf8).write(to: URL(fileURLWithPath: path))
    }
    return command
  }

  private static let files = [
    "--init-image", "cat.png", "--mask", "mask.png", "--strength", "0.5", "--lora", "robot.safetensors:0.5",
    "--vae",
    "./taesd", "--embedding", "word.safetensors:<w>",
  ]

  @Test(
    .enabled(if: PostgresServer.isInstalled, Comment(rawValue: PostgresServer.absence)),
    arguments: ["folder", "bucket"])
  func filesBecomeDigests(kind: String) throws {
    let command = try folderWithFiles()
    let bucket = try TestBucket()
    try FileManager.default.createDirectory(
      atPath: command.folder + "/place", withIntermediateDirectories: false)
    let place = kind == "folder" ? ["--shared", "place"] : []
    let environment = [
      "SEGMOE_DATABASE": try PostgresServer.shared().newDatabase(), "HOME": command.folder,
      "SEGMOE_SHARED": "s3://\(TestBucket.name)",
    ].merging(bucket.environment) { $1 }
    func run(_ arguments: [String]) throws -> Outcome { try command.run(arguments, environment: environment) }
    func count() -> Int {
      let names = try? FileManager.default.contentsOfDirectory(atPath: command.folder + "/place/files")
      return kind == "folder" ? names?.count ?? 0 : bucket.objects.withLock { $0.count }
    }
    let look = try run(["enqueue", "p", "--model", "demo", "--dry-run"] + Self.files + place)
    #expect(look.code == 0 && count() == 0, "\(look)")
    let made = try run(["enqueue", "p", "--model", "demo"] + Self.files + place)
    #expect(made.code == 0, "\(made)")
    // Of the tree, its file and its listing.
    #expect(count() == 6)
    let settings = try #require(try run(["show", "1", "--json"]).object()["settings"] as? [String: Any])
    for (key, ending) in [("init_image", "cat.png"), ("mask", "mask.png"), ("vae", "taesd")] {
      let name = try #require((settings[key] as? String).flatMap(SharedName.init), "\(settings)")
      #expect(name.path == ending && name.kind == (key == "vae" ? .tree : .file))
    }
    let lora = try #require((settings["loras"] as? [[String: Any]])?.first)
    #expect((lora["path"] as? String).flatMap(SharedName.init)?.path == "robot.safetensors")
    let word = try #require((settings["embeddings"] as? [[String: Any]])?.first)
    #expect((word["path"] as? String).flatMap(SharedName.init)?.path == "word.safetensors")
    // What jobs name can be named again, by whoever has none of the files.
    try FileManager.default.removeItem(atPath: command.folder + "/cat.png")
    #expect(try run(["enqueue", "--like", "1"] + place).code == 0)
    let again = try #require(try run(["show", "2", "--json"]).object()["settings"] as? [String: Any])
    #expect(again["init_image"] as? String == settings["init_image"] as? String)
    #expect(count() == 6)
    let text = try run(["show", "1"]).output + made.output + made.errors
    #expect(!text.contains(TestBucket.secret) && !text.contains(TestBucket.key))
  }

  /// A model that is in the place is queued by its name there, from a machine that has none of it.
  @Test(
    .enabled(if: PostgresServer.isInstalled, Comment(rawValue: PostgresServer.absence)),
    arguments: ["folder", "bucket"])
  func whatIsThereIsQueuedByItsName(kind: String) throws {
    let command = try folderWithFiles()
    let bucket = try TestBucket()
    let place = command.folder + "/place"
    try FileManager.default.createDirectory(atPath: place, withIntermediateDirectories: false)
    let environment = [
      "SEGMOE_DATABASE": try PostgresServer.shared().newDatabase(), "HOME": command.folder,
      "SEGMOE_SHARED": kind == "folder" ? place : "s3://\(TestBucket.name)/x",
    ].merging(bucket.environment) { $1 }
    func run(_ arguments: String...) throws -> Outcome {
      try command.run(arguments, environment: environment)
    }
    let plain = try run("share", "taesd")
    let digest = try #require(SharedName(plain.output.trimmingCharacters(in: .newlines)), "\(plain)")
    #expect(digest.kind == .tree && digest.path == "taesd")
    for _ in 0..<2 { #expect(try run("share", "taesd", "--name", "demo").output == "shared:demo\n") }
    expectComplaint(
      try run("share", "cat.png", "--name", "demo"), code: 65, "shared:demo is the name of \(digest)")
    try FileManager.default.removeItem(atPath: command.folder + "/taesd")
    let arguments = ["enqueue", "p", "--model", "shared:demo", "--vae", "shared:demo"]
    #expect(try command.run(arguments + ["--dry-run"], environment: environment).code == 0)
    #expect(try command.run(arguments, environment: environment).code == 0)
    let job = try run("show", "1", "--json").object()
    let settings = try #require(job["settings"] as? [String: Any])
    #expect(job["model"] as? String == "\(digest)" && settings["vae"] as? String == "\(digest)", "\(job)")
    #expect(try run("edit", "1", "--model", "shared:demo").output.contains("is so already"))
    expectComplaint(try run("enqueue", "p", "--model", "shared:dmeo"), code: 66, "nothing in", "shared:dmeo")
    expectComplaint(
      try command.run(
        arguments, environment: environment.filter { $0.key != "SEGMOE_SHARED" }), code: 64,
      "name the place with --shared")
    expectComplaint(try run("share", "cat.png", "--name", "a/b"), code: 64, "'a/b' is no name")
    expectComplaint(try run("share", "none"), code: 66, "none")
    #expect(try run("list", "--json").list().count == 1)
  }

  @Test func aNameInAPlaceIsForNoQueueInAFile() throws {
    let command = try folderWithFiles()
    for arguments in [["--model", "shared:demo"], ["--model", "m", "--lora", "shared:robot:0.5"]] {
      let outcome = try command.run(["enqueue", "p"] + arguments)
      expectComplaint(outcome, code: 64, "is a name in a shared place")
    }
    expectComplaint(
      try command.run(["share", "cat.png"], environment: ["HOME": command.folder]), code: 64, "--shared")
  }

  @Test(
    .enabled(if: PostgresServer.isInstalled, Comment(rawValue: PostgresServer.absence)),
    arguments: [
      (["--init-image", "cat.png"], "initial image"), (["--lora", "robot.safetensors"], "LoRA"),
      (["--vae", "./taesd"], "VAE"),
      (["--embedding", "word.safetensors"], "embedding"),
    ])
  func withoutAPlaceAFileIsRefused(arguments: [String], word: String) throws {
    let command = try folderWithFiles()
    let environment = ["SEGMOE_DATABASE": try PostgresServer.shared().newDatabase(), "HOME": command.folder]
    for more in [[], ["--dry-run"]] {
      let outcome = try command.run(
        ["enqueue", "p", "--model", "demo"] + arguments + more, environment: environment)
      expectComplaint(outcome, code: 64, "\(word) \(command.folder)")
      #expect(outcome.errors.contains("--shared"))
    }
    #expect(try command.run(["list", "--json"], environment: environment).list().isEmpty)
  }

  /// A row says what its writer likes: what a file of that path holds on this machine is not given away.
  @Test(.enabled(if: PostgresServer.isInstalled, Comment(rawValue: PostgresServer.absence)))
  func whatARowNamesIsNotShared() throws {
    let command = try folderWithFiles()
    let address = try PostgresServer.shared().newDatabase()
    try FileManager.default.createDirectory(
      atPath: command.folder + "/place", withIntermediateDirectories: false)
    let environment = ["SEGMOE_DATABASE": address, "HOME": command.folder]
    let place = ["--shared", "place"]
    func run(_ arguments: [String]) throws -> Outcome { try command.run(arguments, environment: environment) }
    func count() -> Int {
      (try? FileManager.default.contentsOfDirectory(atPath: command.folder + "/place/files"))?.count ?? 0
    }
    #expect(try run(["enqueue", "p", "--model", "demo"]).code == 0)
    let secret = command.folder + "/cat.png"
    try PostgresServer.sql(
      at: address, "UPDATE jobs SET init_image = '\(secret)', strength = 0.5, vae = '\(command.folder)/taesd'"
    )
    #expect(try run(["enqueue", "--like", "1"] + place).code == 0)
    #expect(count() == 0)
    let settings = try #require(try run(["show", "2", "--json"]).object()["settings"] as? [String: Any])
    #expect(settings["init_image"] as? String == secret)
    // Who names it shares it.
    #expect(try run(["enqueue", "--like", "1", "--init-image", "cat.png"] + place).code == 0)
    #expect(count() == 1)
  }

  /// What is local stays local.
  @Test func aQueueInAFileKeepsPaths() throws {
    let command = try folderWithFiles()
    let outcome = try command.run(
      ["enqueue", "p", "--model", "demo", "--init-image", "cat.png"],
      environment: ["SEGMOE_SHARED": "s3://bucket/x", "HOME": command.folder])
    #expect(outcome.code == 0, "\(outcome)")
    let settings = try #require(try command("show", "1", "--json").object()["settings"] as? [String: Any])
    #expect(settings["init_image"] as? String == command.folder + "/cat.png")
    expectComplaint(
      try command("enqueue", "p", "--model", "demo", "--shared", command.folder), code: 64,
      "is for a queue of PostgreSQL")
    expectComplaint(
      try command(
        "enqueue", "p", "--model", "demo", "--init-image", "sha256:\(String(repeating: "a", count: 64))/x.png"
      ),
      code: 66, "x.png")
  }
}
