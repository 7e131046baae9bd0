import Checkpoints
import Foundation
import GRDB
import JobStore
import RenderDaemon
import Requests
import TestSupport
import Testing
import WeightCache

/// Whoever may write the database may use the daemon for rendering, and for nothing else:
/// docs/security.md.
@Suite struct TrustTests {
  @Test func namesThatClimbOutOfTheModelFolders() throws {
    let house = try DaemonHouse()
    try FileManager.default.copyItem(atPath: house.model, toPath: house.folder + "/elsewhere")
    let name = URL(fileURLWithPath: house.folder).lastPathComponent
    let climbing = try house.enqueue { $0.model = "../\(name)/elsewhere" }
    let lora = try house.enqueue {
      $0.loras = [LoRAReference(path: house.folder + "/elsewhere/unet/diffusion_pytorch_model.safetensors")]
    }
    let embedding = try house.enqueue {
      $0.embeddings = [
        EmbeddingReference(path: house.folder + "/elsewhere/vae/diffusion_pytorch_model.safetensors")
      ]
    }
    let vae = try house.enqueue { $0.vae = house.folder + "/elsewhere/vae" }
    try house.worker().run()
    for id in [climbing, lora, embedding, vae] {
      let job = try house.job(id)
      #expect(job.state == .failed && job.failure?.kind == .badInput)
      #expect(
        job.failure?.message.contains("outside the model folders") == true, "\(job.failure?.message ?? "")")
    }
  }

  /// Members of the group may make links in the models' folder: within it they are welcome.
  @Test func linksInAModel() throws {
    let house = try DaemonHouse()
    let files = FileManager.default
    try files.copyItem(atPath: house.model, toPath: house.folder + "/elsewhere")
    for (name, unet) in [("in", house.model + "/unet"), ("out", house.folder + "/elsewhere/unet")] {
      try files.copyItem(atPath: house.model, toPath: house.models + "/" + name)
      try files.removeItem(atPath: "\(house.models)/\(name)/unet")
      try files.createSymbolicLink(atPath: "\(house.models)/\(name)/unet", withDestinationPath: unet)
    }
    // In a circle, which must not be walked for ever.
    try files.createSymbolicLink(
      atPath: house.models + "/in/circle", withDestinationPath: house.models + "/in")
    let (inside, outside) = (try house.enqueue { $0.model = "in" }, try house.enqueue { $0.model = "out" })
    try house.worker().run()
    let done = try house.job(inside)
    #expect(done.state == .done, "\(done)")
    let job = try house.job(outside)
    #expect(job.state == .failed && job.failure?.kind == .badInput, "\(job)")
    #expect(job.failure?.message.contains("/out/unet is outside the model folders") == true)
    #expect(job.failure?.message.contains("elsewhere") == false)
  }

  /// A link is refused where it is met: what is behind it is not walked through, and nothing is said of it.
  @Test func whatIsOutsideStaysUnknown() throws {
    let house = try DaemonHouse()
    let files = FileManager.default
    let (secret, gone) = (house.folder + "/elsewhere/secret", house.folder + "/elsewhere/gone")
    try files.createDirectory(atPath: secret, withIntermediateDirectories: true)
    try Data("hunter2".utf8).write(to: URL(fileURLWithPath: secret + "/x.safetensors"))
    try files.copyItem(atPath: house.model, toPath: house.models + "/linked")
    try files.createSymbolicLink(atPath: house.models + "/linked/root", withDestinationPath: "/")
    try files.createSymbolicLink(atPath: house.models + "/slash", withDestinationPath: "/")
    for (name, target) in [("a", secret), ("b", gone)] {
      let word = house.models + "/word-" + name
      try files.createDirectory(atPath: word, withIntermediateDirectories: true)
      try files.createSymbolicLink(
        atPath: word + "/learned_embeds.safetensors", withDestinationPath: target + "/x.safetensors")
      try files.createSymbolicLink(atPath: house.models + "/link-" + name, withDestinationPath: target)
    }
    // Each twice: something is there, and nothing.
    let changes: [(String, inout RenderRequest) -> Void] = [
      { $1.model = house.folder + "/elsewhere/" + $0 },
      { $1.vae = house.folder + "/elsewhere/" + $0 + "/x.safetensors" },
      { $1.loras = [LoRAReference(path: house.folder + "/elsewhere/" + $0 + "/x.safetensors")] },
      { $1.embeddings = [EmbeddingReference(path: house.folder + "/elsewhere/" + $0)] },
      { $1.initImage = house.folder + "/elsewhere/" + $0 + "/x.safetensors" },
      {
        $1.initImage = house.models + "/tiny/model_index.json"
        $1.mask = house.folder + "/elsewhere/" + $0 + "/x.safetensors"
      },
      { $1.model = "link-" + ($0 == "secret" ? "a" : "b") },
      { $1.loras = [LoRAReference(path: "link-" + ($0 == "secret" ? "a" : "b") + "/x.safetensors")] },
      { $1.embeddings = [EmbeddingReference(path: "word-" + ($0 == "secret" ? "a" : "b"))] },
    ]
    let pairs = try changes.map { change in
      try ["secret", "gone"].map { name in try house.enqueue { change(name, &$0) } }
    }
    let roots = try ["linked", "slash", "slash/etc"].map { name in try house.enqueue { $0.model = name } }
    try house.worker(inputs: [house.models]).run()
    for pair in pairs {
      let texts = try pair.map { id in
        let job = try house.job(id)
        #expect(
          job.failure?.kind == .badInput && job.failure?.message.contains("outside the") == true, "\(job)")
        #expect(job.failure?.message.contains("hunter2") == false)
        return try #require(job.failure?.message).replacing("/secret", with: "/gone").replacing(
          "-a", with: "-b")
      }
      #expect(texts[0] == texts[1])
    }
    for id in roots {
      let job = try house.job(id)
      #expect(
        job.failure?.kind == .badInput && job.failure?.message.contains("outside the model folders") == true,
        "\(job)")
    }
  }

  /// Whoever names the folder of all models, or one with a tree in it, must not keep the daemon looking through it.
  @Test func aFolderOfVeryManyFilesIsNoModel() throws {
    let house = try DaemonHouse()
    for index in 0..<10_001 { close(open("\(house.model)/unet/\(index)", O_WRONLY | O_CREAT, 0o600)) }
    let id = try house.enqueue()
    try house.worker().run()
    let job = try house.job(id)
    #expect(
      job.failure?.kind == .badInput && job.failure?.message.contains("more than 10000 files") == true,
      "\(job)")
  }

  /// A model's folder is exchanged for another one after it was looked through. Were it exchanged back before the end,
  /// it would look as before.
  @Test func aFolderThatIsExchangedWhileItLoadsIsAnError() throws {
    let house = try DaemonHouse()
    let (other, aside) = (house.models + "/other", house.models + "/aside")
    try FileManager.default.copyItem(atPath: house.model, toPath: other)
    var pool = ModelPool(
      locator: ModelLocator(folders: [house.models]), governor: MemoryGovernor(budget: nil))
    #expect(throws: CheckpointError.self) {
      try pool.model(named: "tiny", precision: .f32) {
        #expect(rename(house.model, aside) == 0 && rename(other, house.model) == 0)
      }
    }
    #expect(rename(house.model, other) == 0 && rename(aside, house.model) == 0)
    #expect(pool.names.isEmpty)
    _ = try pool.model(named: "tiny", precision: .f32) {}
    #expect(pool.names == ["tiny"])
  }

  /// A model is held when it will not load, not when what somebody adds to it won't, or makes nonsense of it.
  @Test func whatAJobAddsHoldsItsModelForNobody() throws {
    let house = try DaemonHouse()
    let junk = house.models + "/junk.safetensors"
    try Data("junk".utf8).write(to: URL(fileURLWithPath: junk))
    // A newer file might still be being copied.
    try FileManager.default.setAttributes(
      [.modificationDate: Date(timeIntervalSinceNow: -3600)], ofItemAtPath: junk)
    // What is broken costs the job its one attempt; what this daemon lacks costs none.
    let changes: [(attempts: Int, change: (inout RenderRequest) -> Void)] = [
      (1, { $0.loras = [LoRAReference(path: "junk.safetensors")] }), (1, { $0.vae = "junk.safetensors" }),
      (1, { $0.embeddings = [EmbeddingReference(path: "junk.safetensors")] }),
      (0, { $0.loras = [LoRAReference(path: "gone.safetensors")] }), (1, { $0.vae = "tiny/unet" }),
    ]
    let bad = try changes.map { try house.enqueue(attempts: 3, $0.change) }
    let good = try house.enqueue()
    try house.worker().run()
    for (id, wanted) in zip(bad, changes) {
      let job = try house.job(id)
      #expect(
        job.state == .failed && job.failure?.kind == .badInput && job.attempts == wanted.attempts, "\(job)")
    }
    #expect(try house.job(good).state == .done)
    #expect(try house.client.models().allSatisfy { $0.heldUntil == nil && $0.loadError == nil })
  }

  /// Members of the group may make links in the output folder.
  @Test func aBatchFolderThatLeadsElsewhereIsNotWrittenTo() throws {
    let house = try DaemonHouse()
    let elsewhere = house.folder + "/elsewhere"
    let files = FileManager.default
    try files.createDirectory(atPath: house.output, withIntermediateDirectories: true)
    try files.createDirectory(atPath: elsewhere, withIntermediateDirectories: true)
    try files.createSymbolicLink(atPath: house.output + "/1", withDestinationPath: elsewhere)
    // Nor is anything removed there.
    let bystander = elsewhere + "/.1-0.png.tmp-1f"
    try Data("x".utf8).write(to: URL(fileURLWithPath: bystander))
    let id = try house.enqueue()
    try house.worker().run()
    #expect(try house.job(id).state == .failed)
    #expect(try house.job(id).failure?.message.contains("outside") == true)
    #expect(try files.contentsOfDirectory(atPath: elsewhere) == [".1-0.png.tmp-1f"])
  }

  /// Rows that this program never writes, by somebody who turns the checks off.
  @Test func impossibleRowsFailAndTheNextIsTaken() throws {
    let house = try DaemonHouse()
    let bad = try (0..<5).map { _ in try house.enqueue() }
    let good = try house.enqueue()
    try house.sqlite().writeWithoutTransaction { db in
      try db.execute(sql: "PRAGMA ignore_check_constraints = ON")
      for (id, change) in zip(
        bad,
        [
          "precision = 'f99'", "width = -8", "loras = '{'", "embeddings = '[1]'",
          "scheduler = 'x''; DROP TABLE jobs; --'",
        ])
      {
        try db.execute(sql: "UPDATE jobs SET \(change) WHERE id = \(id)")
      }
    }
    try house.worker().run()
    let states = try house.sqlite().read {
      try String.fetchAll($0, sql: "SELECT state || ' ' || ifnull(error_kind, '') FROM jobs ORDER BY id")
    }
    #expect(states == Array(repeating: "failed bad_input", count: 5) + ["done "])
    #expect(house.files() == ["\(good)/\(good)-0.png"])
  }

  /// Nor may one with numbers that could not be claimed, or whose batch somebody deleted at sqlite3, be in the way.
  @Test func rowsThatCannotBeClaimedAreMendedOrEnd() throws {
    let house = try DaemonHouse()
    let changes = [
      "attempts = 99", "claims = 9223372036854775807", "attempts = 9223372036854775807",
      "losses = 9223372036854775807",
    ]
    for _ in 0..<6 { try house.enqueue() }
    try house.sqlite().writeWithoutTransaction { db in
      try db.execute(sql: "PRAGMA ignore_check_constraints = ON; PRAGMA foreign_keys = OFF")
      for (index, change) in changes.enumerated() {
        try db.execute(sql: "UPDATE jobs SET \(change) WHERE id = \(index + 1)")
      }
      // Its worker is gone: that counts as a loss more.
      try db.execute(
        sql: "UPDATE jobs SET state = 'running', lease_owner = 'gone', lease_expires = 1 WHERE id = 4")
      try db.execute(sql: "DELETE FROM batches WHERE id = 5")
    }
    try house.worker().run()
    let states = try house.sqlite().read {
      try String.fetchAll($0, sql: "SELECT state || ' ' || ifnull(error_kind, '') FROM jobs ORDER BY id")
    }
    let orphan = try house.sqlite().read {
      try String.fetchOne($0, sql: "SELECT error FROM jobs WHERE id = 5")
    }
    #expect(orphan?.contains("batch") == true)
    let bad = "failed bad_input"
    #expect(states == ["done ", "done ", "done ", "failed lost", bad, "done "])
  }

  /// Names of files are made of numbers only.
  @Test func whatAPromptSaysNamesNoFile() throws {
    let house = try DaemonHouse()
    let id = try house.enqueue("../../etc/passwd\n$(reboot); `x`")
    try house.worker().run()
    #expect(try house.job(id).state == .done)
    #expect(house.files() == ["1/\(id)-0.png"])
  }

  /// The daemon starts no programs but itself, to fetch (`segmoed fetch`): no other call that could is in the sources of
  /// what it is made of.
  @Test func theDaemonHasNoMeansToRunACommand() throws {
    let sources = URL(fileURLWithPath: Places.inRepository("Sources"))
    var (read, children) = (0, 0)
    for module in ["RenderDaemon", "segmoed", "JobStore", "Diffusion", "Experts", "Checkpoints", "Images"] {
      let folder = sources.appending(path: module)
      let names = try #require(FileManager.default.enumerator(atPath: folder.path))
      while let name = names.nextObject() as? String {
        guard name.hasSuffix(".swift") else { continue }
        let text = try String(contentsOf: folder.appending(path: name), encoding: .utf8)
        read += 1
        var means = text.matches(of: /\b(Process(\(\)|\.run)|posix_spawn|execv|execl|popen|system\(|dlopen)/)
          .map { String($0.output.0) }
        if module == "segmoed", name == "FetchChild.swift" {
          children += 1
          #expect(means == ["Process()"])
          means = []
          // What it starts, and its first argument, are written there, once each.
          #expect(text.contains(#"process.executableURL = URL(fileURLWithPath: "/proc/self/exe")"#))
          #expect(text.matches(of: /executableURL|launchPath/).count == 1)
          #expect(text.contains(#"process.arguments = ["fetch", "#))
          #expect(text.matches(of: /process\.arguments/).count == 1)
        }
        #expect(means.isEmpty, "\(name): \(means)")
      }
    }
    #expect(read > 50 && children == 1)
  }
}
