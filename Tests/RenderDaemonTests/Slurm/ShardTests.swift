import Foundation
import JobStore
import Requests
import TestSupport
import Testing

/// A batch goes into shards and comes home, without a batch system.
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

  /// Two commands for one folder at a time: the second is refused while the first works, and changes nothing. What a killed
  /// one leaves is no lock.
  @Test(.enabled(if: FaultLibrary.isThere)) func oneCommandAtATimeMakesAFolder() throws {
    let shards = try ShardHouse(jobs: 4, steps: Self.steps)
    let arguments = ["shard", "1", "--shards", "1", "--to", shards.shards, "--models", shards.house.models]
    /// A command that has stopped itself before the second of four shards has its name.
    func held() throws -> Process {
      let faults = FaultLibrary.environment(
        ["rename:0001.sqlite$:1:stop"], log: shards.house.logs + "/client-strikes")
      let process = try Process(
        "segmoectl", ["--database", shards.house.client.path] + arguments,
        environment: ["PATH": "/usr/bin:/bin"].merging(faults) { $1 })
      process.standardOutput = FileHandle.nullDevice
      process.standardError = FileHandle.nullDevice
      try process.run()
      let first = HeldProcess(pid: process.processIdentifier)
      try shards.house.wait { first.isStopped || !process.isRunning }
      try #require(first.isStopped)
      return process
    }
    let killed = try held()
    kill(killed.processIdentifier, SIGKILL)
    killed.waitUntilExit()
    let first = try held()
    defer { if first.isRunning { kill(first.processIdentifier, SIGKILL) } }
    let second = try RealClient.run(shards.house, arguments)
    #expect(second.answer == nil && second.error.contains("another `segmoectl shard` works in"), "\(second)")
    #expect(try shards.house.client.jobsInShards(batch: 1) == 4)
    HeldProcess(pid: first.processIdentifier).goOn()
    first.waitUntilExit()
    #expect(first.terminationStatus == 0)
    // Now they are there.
    let third = try RealClient.run(shards.house, arguments)
    #expect(third.answer?.hasPrefix("batch 1: 4 jobs in 4 shards, 1 at a time") == true, "\(third)")
    let names = try FileManager.default.contentsOfDirectory(atPath: shards.shards)
    #expect(!names.contains(".lock"), "\(names)")
    for shard in 0..<4 { try shards.render(shard) }
    #expect(try shards.collect()["done"] == 4)
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
    settings.initImage = "nowhere.png"
    _ = try house.house.client.enqueue(BatchRequest(), requests: [JobRequest(settings)])
    try house.ctl("shard", "2", "--shards", "1", "--to", house.shards, "--models", house.house.models)
    try house.render(0)
    #expect(try house.collect()["failed"] == 1)
    let job = try house.house.job(2)
    #expect(job.state == .failed && job.failure?.kind == .badInput)
    #expect(job.failure?.message.contains("nowhere.png") == true)
    #expect(try house.house.job(1).state == .queued)
  }

  /// Attempts that were cut off: the next goes on where the furthest was, with its key. Both began at the same time, as when
  /// an array is submitted twice.
  @Test(.enabled(if: FaultLibrary.isThere)) func anAttemptGoesOnWhereTheLastOneWas() throws {
    let steps = 100
    let shards = try ShardHouse(jobs: 1, steps: steps)
    try shards.shard()
    let works = try ["slow", "cut"].map { attempt in
      let work = shards.house.folder + "/" + attempt
      try FileManager.default.createDirectory(atPath: work, withIntermediateDirectories: true)
      try shards.ctl("stage", "in", shards.shards, "0", work)
      return work
    }
    try shards.cutShort(works[0], attempt: "slow", after: 1)
    try shards.cutShort(works[1], attempt: "cut", after: 12)
    #expect(shards.results() == ["0000.cut.sqlite", "0000.slow.sqlite"])
    let words = try shards.render(0, attempt: "2")
    #expect(words.contains("goes on at step 60"), "\(words)")
    #expect(shards.results() == ["0000.2.sqlite", "0000.cut.sqlite", "0000.over", "0000.slow.sqlite"])
    let there = try QueueClient.open(path: shards.house.folder + "/work-0-2/queue.sqlite", for: .reading)
    // Not anew: the loss is not the job's fault, as it got further.
    #expect(try there.details(job: 1).job.losses == 0)
    #expect(try shards.collect()["done"] == 1)
    #expect(try shards.pictures() == ShardHouse.undisturbed(jobs: 1, steps: steps))
  }

  // MARK: - What is lost on the way

  /// A machine that can render nothing takes no job from the others.
  @Test func aMachineWithoutTheModel() throws {
    let shards = try ShardHouse(jobs: 2, steps: Self.steps)
    try shards.shard(at: 1)
    let empty = shards.house.folder + "/empty"
    try FileManager.default.createDirectory(atPath: empty, withIntermediateDirectories: true)
    let (work, _) = try shards.begin(0, attempt: "1", models: empty)
    try shards.ctl("stage", "out", shards.shards, "0", work, "--attempt", "1")
    #expect(shards.results() == ["0000.1.sqlite"])
    let answer = try RealClient.run(
      shards.house, ["collect", shards.shards, "--output", shards.house.output])
    #expect(answer.answer == "batch 1: 0 done and 0 failed jobs came home; 2 are not over\n")
    #expect(answer.error.contains("1 job could not be rendered where tried"), "\(answer)")
    #expect(answer.error.contains("model tiny is not there"), "\(answer)")
    for shard in 0..<2 { try shards.render(shard, attempt: "2") }
    #expect(try shards.collect()["done"] == 2)
    #expect(try shards.pictures() == ShardHouse.undisturbed(jobs: 2, steps: Self.steps))
  }

  /// Nor does one that lacks only what jobs add to the model, by their names.
  @Test(arguments: ["VAE", "LoRA", "learned word"]) func aMachineWithoutAFileBesideTheModel(kind: String)
    throws
  {
    let shards = try ShardHouse(jobs: 1, steps: Self.steps)
    var settings = RenderRequest(model: "tiny", prompt: "a red fox")
    (settings.width, settings.height, settings.steps) = (64, 64, Self.steps)
    (settings.scheduler, settings.seed) = (.ddim, 7)
    switch kind {
    case "VAE": settings.vae = "added"
    case "LoRA": settings.loras = [LoRAReference(path: "added", weight: 1)]
    default: settings.embeddings = [EmbeddingReference(path: "added", token: "t")]
    }
    _ = try shards.house.client.enqueue(BatchRequest(), requests: [JobRequest(settings)])
    let poor = shards.house.folder + "/poor"
    try FileManager.default.createDirectory(atPath: poor, withIntermediateDirectories: true)
    try FileManager.default.copyItem(atPath: shards.house.model, toPath: poor + "/tiny")
    try shards.ctl("shard", "2", "--shards", "1", "--to", shards.shards, "--models", shards.house.models)
    let (work, _) = try shards.begin(0, attempt: "1", models: poor)
    // Nor if the daemon is started once more there, as after a kill.
    for _ in 0..<2 {
      try shards.ctl("stage", "out", shards.shards, "0", work, "--attempt", "1")
      #expect(shards.results() == ["0000.1.sqlite"])
      let answer = try RealClient.run(
        shards.house, ["collect", shards.shards, "--output", shards.house.output])
      #expect(answer.answer == "batch 2: 0 done and 0 failed jobs came home; 1 are not over\n")
      #expect(
        answer.error.contains("1 job could not be rendered where tried, and may be elsewhere: no living"))
      #expect(answer.error.contains("has had its file added"), "\(answer)")
      try shards.drain(work, 0, models: poor)
    }
    // The next machine has it.
    guard kind == "VAE" else { return }
    try FileManager.default.copyItem(
      atPath: shards.house.model + "/vae", toPath: shards.house.models + "/added")
    try shards.render(0, attempt: "2")
    #expect(try shards.collect()["done"] == 1)
    #expect(try shards.house.job(2).completion?.modelDigest?.contains("+vae:") == true)
  }

  /// What its machine or the folder has lost, no attempt calls over.
  @Test func aPictureThatIsGoneIsRenderedAnew() throws {
    let shards = try ShardHouse(jobs: 1, steps: Self.steps)
    try shards.shard()
    let (work, _) = try shards.begin(0, attempt: "1")
    try FileManager.default.removeItem(atPath: work + "/pictures")
    let out = try RealClient.run(shards.house, ["stage", "out", shards.shards, "0", work, "--attempt", "1"])
    #expect(out.answer == nil && out.error.contains("is missing or damaged"), "\(out)")
    #expect(shards.results() == [])
    try shards.render(0, attempt: "2")
    #expect(shards.results() == ["0000.2.sqlite", "0000.over"])
    for picture in try shards.travelling() { #expect(truncate(picture, 100) == 0) }
    #expect(try shards.collect()["done"] == 0)
    try shards.render(0, attempt: "3")
    #expect(try shards.collect()["done"] == 1)
    #expect(try shards.pictures() == ShardHouse.undisturbed(jobs: 1, steps: Self.steps))
  }

  /// Of a job whose second picture is missing the first does not come home, either.
  @Test func halfAJobLeavesNothing() throws {
    let shards = try ShardHouse(jobs: 1, steps: 1)
    var settings = RenderRequest(model: "tiny", prompt: "x")
    (settings.width, settings.height, settings.steps) = (64, 64, Self.steps)
    (settings.scheduler, settings.seed, settings.count) = (.ddim, 1, 2)
    _ = try shards.house.client.enqueue(BatchRequest(), requests: [JobRequest(settings)])
    try shards.ctl("shard", "2", "--shards", "1", "--to", shards.shards, "--models", shards.house.models)
    try shards.render(0)
    let second = try #require(
      try QueueClient.open(path: shards.shards + "/results/0000.1.sqlite", for: .reading).details(job: 2)
        .images
        .last)
    try FileManager.default.removeItem(atPath: "\(shards.shards)/pictures/\(second.digest).png")
    #expect(
      try shards.collect() == ["batch": 2, "done": 0, "failed": 0, "known": 0, "left": 1, "taken_back": 0])
    #expect(shards.house.files() == [])
  }
}
