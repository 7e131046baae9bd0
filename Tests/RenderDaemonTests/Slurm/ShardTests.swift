import Foundation
import GRDB
import JobStore
import Requests
import TestSupport
import Testing

/// A batch goes into shards and comes home, without a batch system. What lies in the folder is other people's.
@Suite struct ShardTests {
  private static let steps = 3

  @Test func theyComeHomeAsFromOneQueue() throws {
    let shards = try ShardHouse(jobs: 5, steps: Self.steps)
    try shards.shard(at: 1)
    // Nobody renders them here meanwhile.
    try RealDaemon.drain(shards.house)
    #expect(try shards.house.client.status().counts.queued == 5)
    #expect(try shards.house.client.list().allSatisfy { $0.shards == shards.shards })
    for shard in 0..<4 { try shards.render(shard) }
    #expect(
      try shards.collect() == ["batch": 1, "done": 5, "failed": 0, "known": 0, "left": 0, "taken_back": 0])
    #expect(try shards.pictures() == ShardHouse.undisturbed(jobs: 5, steps: Self.steps))
    // A second time changes nothing.
    let before = try shards.house.client.details(job: 1)
    #expect(try shards.collect()["done"] == 0)
    #expect(try shards.house.client.details(job: 1) == before)
    #expect(before.events.map(\.kind).suffix(4) == [.claimed, .done, .collected, .collected])
  }

  @Test func someAtATime() throws {
    let shards = try ShardHouse(jobs: 4, steps: Self.steps)
    try shards.shard(at: 1)
    try shards.render(2)
    #expect(try shards.collect()["left"] == 3)
    #expect(try shards.house.job(3).state == .done)
    // What is not over goes back, and is rendered here.
    let text = try shards.ctl("collect", shards.shards, "--output", shards.house.output, "--give-up")
    #expect(text.contains("3 are this queue's again"))
    try RealDaemon.drain(shards.house)
    #expect(try shards.pictures() == ShardHouse.undisturbed(jobs: 4, steps: Self.steps))
    // Late comers do no harm.
    try shards.render(0)
    #expect(try shards.collect()["done"] == 0)
    #expect(try shards.pictures().count == 4)
  }

  @Test func anInterruptedShardingIsMadeAnew() throws {
    let shards = try ShardHouse(jobs: 2, steps: Self.steps)
    try shards.shard()
    try FileManager.default.removeItem(atPath: shards.shards)
    try shards.shard()
    for shard in 0..<2 { try shards.render(shard) }
    #expect(try shards.collect()["done"] == 2)
    // The folder is another's by now.
    let refused = try RealClient.run(
      shards.house, ["shard", "1", "--shards", "1", "--to", shards.shards + "2"])
    #expect(refused.error.contains("no waiting jobs"), "\(refused)")
  }

  /// Names by a pattern come home as they are. Variations all have the seed of their job.
  @Test func namedAndVariedPictures() throws {
    func pictures(inShards: Bool) throws -> [String: Data] {
      let shards = try ShardHouse(jobs: 1, steps: 1)
      var settings = RenderRequest(model: "tiny", prompt: "a red fox")
      (settings.width, settings.height, settings.steps) = (64, 64, Self.steps)
      (settings.scheduler, settings.precision) = (.ddim, .f32)
      (settings.count, settings.variationStrength) = (2, 0.3)
      let batch = BatchRequest(name: "b", namePattern: "{batch}/{prompt}-{index}")
      _ = try shards.house.client.enqueue(batch, requests: [JobRequest(settings)])
      if inShards {
        try shards.ctl("shard", "b", "--shards", "1", "--to", shards.shards, "--models", shards.house.models)
        try shards.render(0)
        #expect(try shards.collect()["done"] == 1)
      }
      try RealDaemon.drain(shards.house)
      return try shards.pictures()
    }
    let alone = try pictures(inShards: false)
    #expect(alone.keys.sorted() == ["1/1-0.png", "b/a-red-fox-0.png", "b/a-red-fox-1.png"])
    #expect(try pictures(inShards: true) == alone)
  }

  /// A job that cannot be rendered comes home, too.
  @Test func failedJobs() throws {
    let house = try ShardHouse(jobs: 1, steps: Self.steps)
    var settings = RenderRequest(model: "tiny", prompt: "x")
    settings.loras = [LoRAReference(path: "nowhere.safetensors", weight: 1)]
    _ = try house.house.client.enqueue(BatchRequest(), requests: [JobRequest(settings)])
    try house.ctl("shard", "2", "--shards", "1", "--to", house.shards, "--models", house.house.models)
    try house.render(0)
    #expect(try house.collect()["failed"] == 1)
    let job = try house.house.job(2)
    #expect(job.state == .failed && job.failure?.kind == .badInput)
    #expect(job.failure?.message.contains("nowhere.safetensors") == true)
    #expect(try house.house.job(1).state == .queued)
  }

  /// An attempt that was cut off: the next goes on where it was, with the same key.
  @Test func anAttemptGoesOnWhereTheLastOneWas() throws {
    let shards = try ShardHouse(jobs: 1, steps: 600)
    try shards.shard()
    let work = shards.house.folder + "/first"
    try FileManager.default.createDirectory(atPath: work, withIntermediateDirectories: true)
    try shards.ctl("stage", "in", shards.shards, "0", work)
    let daemon = try Process(
      "segmoed",
      [
        "--database", work + "/queue.sqlite", "--output", work + "/pictures", "--models", shards.house.models,
        "--worker", "shard-0", "--threads", "1", "--log-level", "error",
      ], environment: ["SEGMOE_CHECKPOINT_STEPS": "5", "PATH": "/usr/bin:/bin"])
    try daemon.run()
    let client = try QueueClient.open(path: work + "/queue.sqlite", for: .reading)
    try shards.house.wait {
      if case .step(let step, _, _) = try client.checkpoint(job: 1, index: 0) { return step > 20 }
      return false
    }
    // As the batch script does it, while the daemon works.
    try shards.ctl("stage", "out", shards.shards, "0", work, "--attempt", "cut")
    Glibc.kill(daemon.processIdentifier, SIGKILL)
    daemon.waitUntilExit()
    #expect(shards.results() == ["0000.cut.sqlite"])
    let words = try shards.render(0, attempt: "2")
    #expect(words.contains("goes on at step"), "\(words)")
    #expect(shards.results() == ["0000.2.sqlite", "0000.cut.sqlite", "0000.over"])
    let there = try QueueClient.open(path: shards.house.folder + "/work-0-2/queue.sqlite", for: .reading)
    // Not anew: the loss is not the job's fault, as it got further.
    #expect(try there.details(job: 1).job.losses == 0)
    #expect(try shards.collect()["done"] == 1)
    #expect(try shards.pictures() == ShardHouse.undisturbed(jobs: 1, steps: 600))
  }

  // MARK: - Files and names

  /// Files that only this machine has travel by their content; a model does not, unless somebody says so.
  @Test func whatOnlyThisMachineHas() throws {
    let house = try DaemonHouse()
    let picture = house.folder + "/start.png"
    try FileManager.default.copyItem(atPath: Places.golden("images/picture.png"), toPath: picture)
    let id = try house.enqueue { settings in
      settings.model = house.model
      settings.initImage = picture
    }
    let shards = house.folder + "/shards"
    let refused = try RealClient.run(house, ["shard", "1", "--shards", "1", "--to", shards])
    #expect(
      refused.answer == nil && refused.error.contains("job \(id) names its model by a path"), "\(refused)")
    // Nothing is held by what did not come about.
    #expect(try house.client.list().allSatisfy { $0.shards == nil && !$0.isHeld })
    let made = try RealClient.run(
      house, ["shard", "1", "--shards", "1", "--to", shards + "2", "--copy-models"])
    try #require(made.answer != nil, "\(made.error)")
    let copies = try FileManager.default.contentsOfDirectory(atPath: shards + "2/files").flatMap {
      try FileManager.default.contentsOfDirectory(atPath: shards + "2/files/\($0)")
    }
    #expect(copies.sorted() == ["start.png", "tiny"])
    // On the other machine the folder lies elsewhere, and nothing else is there.
    try FileManager.default.moveItem(atPath: shards + "2", toPath: shards)
    try FileManager.default.removeItem(atPath: picture)
    let work = house.folder + "/work"
    try FileManager.default.createDirectory(atPath: work, withIntermediateDirectories: true)
    _ = try RealClient.run(house, ["stage", "in", shards, "0", work])
    let daemon = try Outcome(
      of: "segmoed",
      [
        "--drain", "--database", work + "/queue.sqlite", "--output", work + "/pictures", "--models",
        shards + "/files", "--inputs", shards + "/files", "--threads", "1",
      ], environment: ["PATH": "/usr/bin:/bin"])
    #expect(daemon.code == 0, "\(daemon.errors)")
    _ = try RealClient.run(house, ["stage", "out", shards, "0", work, "--attempt", "1"])
    _ = try RealClient.run(house, ["collect", shards, "--output", house.output])
    let details = try house.client.details(job: id)
    #expect(details.job.state == .done, "\(details.job)")
    // At home the request is what it was.
    #expect(details.job.request.render.initImage == picture)
  }

  // MARK: - Other people's files

  /// Changes what an attempt has left, or the pictures, in ways that nobody should.
  private static let damages: [(String, @Sendable (ShardHouse) throws -> Void)] = [
    (
      "a digest that is none",
      { try $0.change("UPDATE images SET digest = replace(digest, substr(digest, 1, 1), '/')") }
    ),
    ("a path that leads out", { try $0.change("UPDATE images SET path = '../../' || path") }),
    ("an absolute path", { try $0.change("UPDATE images SET path = '/' || path") }),
    ("another seed", { try $0.change("UPDATE images SET seed = seed + 1") }),
    ("a picture too few", { try $0.change("DELETE FROM images") }),
    ("an absurd size", { try $0.change("UPDATE images SET width = 9223372036854775807") }),
    ("an absurd time", { try $0.change("UPDATE jobs SET finished_at = 9223372036854775807") }),
    ("a state that is none", { try $0.change("UPDATE jobs SET error_kind = 'x', model_digest = 'y'") }),
    (
      "a view for a table",
      { try $0.change("ALTER TABLE images RENAME TO pictures; CREATE VIEW images AS SELECT * FROM pictures") }
    ),
    ("no database", { try $0.overwrite(Data("hello".utf8)) }),
    ("half a database", { try $0.overwrite($0.bytes().prefix(5000)) }),
    (
      "a picture that is missing",
      { house in for file in try house.travelling() { try FileManager.default.removeItem(atPath: file) } }
    ),
    (
      "a picture with other bytes",
      { house in
        for file in try house.travelling() {
          let handle = try FileHandle(forUpdating: URL(fileURLWithPath: file))
          try handle.seek(toOffset: 60)
          try handle.write(contentsOf: Data("xx".utf8))
          try handle.close()
        }
      }
    ),
    (
      "a link for a picture",
      { house in
        for file in try house.travelling() {
          try FileManager.default.moveItem(atPath: file, toPath: house.house.folder + "/elsewhere.png")
          try FileManager.default.createSymbolicLink(
            atPath: file, withDestinationPath: house.house.folder + "/elsewhere.png")
        }
      }
    ),
    (
      "another job's picture",
      { try $0.change("UPDATE jobs SET id = 2; UPDATE images SET job = 2", foreignKeys: false) }
    ),
  ]

  @Test(arguments: damages.indices) func damagedShardsAreLeftOut(index: Int) throws {
    let (what, damage) = Self.damages[index]
    // Of the jobs only the first is rendered.
    let shards = try ShardHouse(jobs: 2, steps: Self.steps)
    try shards.shard(at: 1)
    try shards.render(0)
    try damage(shards)
    let outside = shards.house.files()
    let collected = try shards.collect()
    #expect(collected["done"] == 0 && collected["left"] == 2, "\(what): \(collected)")
    #expect(try shards.house.job(1).state == .queued, "\(what)")
    #expect(shards.house.files() == outside, "\(what)")
    // Rendered once more, it comes home.
    try? FileManager.default.removeItem(atPath: shards.shards + "/results/0000.1.sqlite")
    try? FileManager.default.removeItem(atPath: shards.shards + "/pictures")
    try FileManager.default.createDirectory(
      atPath: shards.shards + "/pictures", withIntermediateDirectories: true)
    try shards.render(0, attempt: "again")
    #expect(try shards.collect()["done"] == 1, "\(what)")
  }

  @Test func theFolderOfAnotherQueue() throws {
    let (one, other) = (try ShardHouse(jobs: 1, steps: 1), try ShardHouse(jobs: 1, steps: 1))
    try one.shard()
    let refused = try RealClient.run(other.house, ["collect", one.shards])
    #expect(refused.answer == nil && refused.error.contains("of another queue"), "\(refused)")
    try Data("{}".utf8).write(to: URL(fileURLWithPath: one.shards + "/shards.json"))
    let damaged = try RealClient.run(one.house, ["collect", one.shards])
    #expect(damaged.answer == nil && damaged.error.contains("is damaged"), "\(damaged)")
  }
}

extension ShardHouse {
  /// The one attempt at the first shard.
  private var attempt: String { shards + "/results/0000.1.sqlite" }

  /// Changes what the attempt says.
  fileprivate func change(_ sql: String, foreignKeys: Bool = true) throws {
    var configuration = Configuration()
    configuration.foreignKeysEnabled = foreignKeys
    let queue = try DatabaseQueue(path: attempt, configuration: configuration)
    try queue.writeWithoutTransaction { db in
      try db.execute(sql: "PRAGMA ignore_check_constraints = ON")
      try db.execute(sql: sql)
    }
    try queue.close()
  }

  fileprivate func bytes() throws -> Data { try Data(contentsOf: URL(fileURLWithPath: attempt)) }

  fileprivate func overwrite(_ bytes: some DataProtocol) throws {
    try Data(bytes).write(to: URL(fileURLWithPath: attempt))
  }

  /// The pictures in the shared folder.
  fileprivate func travelling() throws -> [String] {
    try FileManager.default.contentsOfDirectory(atPath: shards + "/pictures").map {
      "\(shards)/pictures/\($0)"
    }
  }
}
