import Foundation
import JobStore
import TestSupport
import Testing

/// What goes wrong around shards without anybody's malice: folders that are used twice, moved or replaced, full disks, two
/// commands at once. Nothing is lost, and nothing is taken for what it is not.
@Suite struct ShardMishapTests {
  private static let steps = 3

  /// segmoectl for a shard in a folder.
  private func stage(
    _ direction: String, _ shards: ShardHouse, _ shard: Int, _ work: String, faults: [String] = []
  ) throws -> (answer: String?, error: String, wasKilled: Bool) {
    let attempt = direction == "out" ? ["--attempt", "1"] : []
    return try RealClient.run(
      shards.house, ["stage", direction, shards.shards, "\(shard)", work] + attempt, faults: faults)
  }

  private func folder(_ name: String, of shards: ShardHouse) throws -> String {
    let path = "\(shards.house.folder)/\(name)"
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    return path
  }

  /// Two that collect at the same time: the second writes a picture after the first has seen that it is not there.
  @Test(.enabled(if: FaultLibrary.isThere)) func anotherCollectIsQuicker() throws {
    let shards = try ShardHouse(jobs: 2, steps: Self.steps)
    try shards.shard()
    for shard in 0..<2 { try shards.render(shard) }
    let faults = FaultLibrary.environment(
      ["rename:1-0.png$:1:stop"], log: shards.house.logs + "/client-strikes")
    let process = try Process(
      "segmoectl",
      ["--database", shards.house.client.path, "collect", shards.shards, "--output", shards.house.output],
      environment: ["PATH": "/usr/bin:/bin"].merging(faults) { $1 })
    (process.standardOutput, process.standardError) = (FileHandle.nullDevice, FileHandle.nullDevice)
    try process.run()
    defer { if process.isRunning { kill(process.processIdentifier, SIGKILL) } }
    let first = HeldProcess(pid: process.processIdentifier)
    try shards.house.wait { first.isStopped || !process.isRunning }
    try #require(first.isStopped)
    #expect(try shards.collect()["done"] == 2)
    first.goOn()
    process.waitUntilExit()
    #expect(process.terminationStatus == 0)
    #expect(try shards.pictures() == ShardHouse.undisturbed(jobs: 2, steps: Self.steps))
  }

  /// After a power cut a picture may have its length and nothing in it.
  @Test func aDamagedPictureOfTheSameLengthIsRenderedAnew() throws {
    let shards = try ShardHouse(jobs: 1, steps: Self.steps)
    try shards.shard()
    try shards.render(0)
    for picture in try shards.travelling() {
      let size = try Data(contentsOf: URL(fileURLWithPath: picture)).count
      try Data(count: size).write(to: URL(fileURLWithPath: picture))
    }
    #expect(try shards.collect()["done"] == 0)
    try shards.render(0, attempt: "2")
    #expect(try shards.collect()["done"] == 1)
    #expect(try shards.pictures() == ShardHouse.undisturbed(jobs: 1, steps: Self.steps))
  }

  /// A script that goes on after a failed `stage in` renders an empty queue, which says nothing of the shard.
  @Test func whatHasNotComeInDoesNotGoOut() throws {
    let shards = try ShardHouse(jobs: 2, steps: Self.steps)
    try shards.shard()
    let empty = try folder("empty", of: shards)
    try shards.drain(empty, 0)
    let early = try stage("out", shards, 0, empty)
    #expect(early.answer == nil && early.error.contains("holds no shard"), "\(early)")
    // Nor does it go out as another.
    let (work, _) = try shards.begin(0, attempt: "1")
    let other = try stage("out", shards, 1, work)
    #expect(other.answer == nil && other.error.contains("holds another shard than number 1"), "\(other)")
    #expect(shards.results() == [])
  }

  /// A batch was given up, changed and put into the same place, while a machine was still at the old one.
  @Test func lateWorkOfFormerShards() throws {
    let shards = try ShardHouse(jobs: 1, steps: Self.steps)
    try shards.shard()
    let (work, _) = try shards.begin(0, attempt: "1")
    try shards.ctl("collect", shards.shards, "--output", shards.house.output, "--give-up")
    try FileManager.default.removeItem(atPath: shards.shards)
    try shards.ctl("edit", "1", "--prompt", "a hare")
    try shards.shard()
    let late = try stage("out", shards, 0, work)
    #expect(late.answer == nil && late.error.contains("holds another shard"), "\(late)")
    #expect(try shards.collect()["left"] == 1)
    try shards.render(0, attempt: "2")
    #expect(try shards.collect()["done"] == 1)
    let picture = try #require(try shards.pictures()["1/1-0.png"])
    #expect(picture.contains(Data("a hare".utf8)) && !picture.contains(Data("fox 0".utf8)))
  }

  /// SQLite would take the log of a killed daemon's queue for that of the next.
  @Test func eachAttemptHasAFolderOfItsOwn() throws {
    let shards = try ShardHouse(jobs: 2, steps: Self.steps)
    try shards.shard()
    let (work, _) = try shards.begin(0, attempt: "1")
    for shard in 0..<2 {
      let again = try stage("in", shards, shard, work)
      #expect(again.answer == nil && again.error.contains("is there already"), "\(again)")
    }
    let log = try folder("log", of: shards)
    try Data("x".utf8).write(to: URL(fileURLWithPath: log + "/queue.sqlite-wal"))
    let refused = try stage("in", shards, 0, log)
    #expect(refused.answer == nil && refused.error.contains("queue.sqlite-wal is there"), "\(refused)")
    // What was there is unharmed.
    #expect(try stage("out", shards, 0, work).answer != nil)
    #expect(try shards.collect()["done"] == 1)
  }

  /// Whatever the next machine's daemon is called, it takes up the job of one that was killed a moment ago.
  @Test(.enabled(if: FaultLibrary.isThere)) func aDaemonOfAnotherName() throws {
    let steps = 100
    let shards = try ShardHouse(jobs: 1, steps: steps)
    try shards.shard()
    let (cut, next) = try (folder("cut", of: shards), folder("next", of: shards))
    #expect(try stage("in", shards, 0, cut).answer != nil)
    try shards.cutShort(cut, attempt: "cut", after: 4)
    #expect(try stage("in", shards, 0, next).answer != nil)
    let daemon = try Outcome(
      of: "segmoed",
      [
        "--drain", "--database", next + "/queue.sqlite", "--output", next + "/pictures", "--models",
        shards.house.models, "--worker", "another", "--threads", "1",
      ], environment: ["PATH": "/usr/bin:/bin"])
    #expect(daemon.code == 0 && daemon.errors.contains("goes on at step 20"), "\(daemon.errors)")
    #expect(try stage("out", shards, 0, next).answer != nil)
    #expect(try shards.collect()["done"] == 1)
    #expect(try shards.pictures() == ShardHouse.undisturbed(jobs: 1, steps: steps))
  }

  /// One that was killed in the middle of a copy leaves half of it; the next removes that.
  @Test(.enabled(if: FaultLibrary.isThere)) func killedWhileItCopied() throws {
    let house = try DaemonHouse()
    let picture = house.folder + "/start.png"
    try FileManager.default.copyItem(atPath: Places.golden("images/picture.png"), toPath: picture)
    try house.enqueue { $0.initImage = picture }
    let shards = house.folder + "/shards"
    let arguments = ["shard", "1", "--shards", "1", "--to", shards, "--models", house.models]
    #expect(try RealClient.run(house, arguments, faults: ["write:.part-:1:half"]).wasKilled)
    func names() -> [String] {
      TemporaryFolder.files(below: shards + "/files").map { URL(fileURLWithPath: $0).lastPathComponent }
    }
    #expect(names().count == 1 && names().allSatisfy { $0.hasPrefix(".part-") }, "\(names())")
    let again = try RealClient.run(house, arguments)
    #expect(again.answer != nil && names() == ["start.png"], "\(again) \(names())")
  }

  /// That this machine's disk is full says nothing of the shards: they are not given up for it.
  @Test(.enabled(if: FaultLibrary.isThere)) func noRoomForACopy() throws {
    let shards = try ShardHouse(jobs: 2, steps: Self.steps)
    try shards.shard()
    try shards.render(0)
    let full = try RealClient.run(
      shards.house, ["collect", shards.shards, "--output", shards.house.output, "--give-up"],
      faults: ["write:attempt.sqlite:1+:ENOSPC"])
    #expect(full.answer == nil && full.error.contains("No space left on device"), "\(full)")
    #expect(try shards.house.client.jobsInShards(batch: 1) == 2)
    // Nor does an attempt begin anew for it.
    let node = try stage(
      "in", shards, 0, folder("full", of: shards), faults: ["write:trial.sqlite:1+:ENOSPC"])
    #expect(node.answer == nil && node.error.contains("No space left on device"), "\(node)")
    #expect(try shards.collect()["done"] == 1)
  }

  /// The batch script names the folder. Where that is another one, or none, Slurm would say nothing.
  @Test func aMovedFolderIsNotSubmitted() throws {
    let shards = try ShardHouse(jobs: 1, steps: Self.steps)
    try shards.shard()
    let bin = try folder("bin", of: shards)
    try Data("#!/bin/sh\necho 77\n".utf8).write(to: URL(fileURLWithPath: bin + "/sbatch"))
    #expect(chmod(bin + "/sbatch", 0o700) == 0)
    let path = ["PATH": "\(bin):/usr/bin:/bin"]
    let moved = shards.house.folder + "/moved"
    try FileManager.default.moveItem(atPath: shards.shards, toPath: moved)
    let refused = try RealClient.run(shards.house, ["submit", "--slurm", moved], environment: path)
    #expect(refused.answer == nil && refused.error.contains("was made as \(shards.shards)"), "\(refused)")
    try FileManager.default.createSymbolicLink(atPath: shards.shards, withDestinationPath: moved)
    let taken = try RealClient.run(shards.house, ["submit", "--slurm", moved], environment: path)
    #expect(taken.answer == "array 77: 1 shards, 1 at a time\n", "\(taken)")
  }
}
