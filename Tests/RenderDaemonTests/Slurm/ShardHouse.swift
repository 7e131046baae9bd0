import Foundation
import JobStore
import Requests
import TestSupport
import Testing

/// A queue with a batch, and a folder for its shards.
struct ShardHouse {
  let house: DaemonHouse
  var shards: String { house.folder + "/shards" }

  /// - Parameters:
  ///   - jobs: how many.
  ///   - steps: of each.
  init(jobs: Int, steps: Int) throws {
    house = try DaemonHouse()
    _ = try house.client.enqueue(BatchRequest(), requests: Self.requests(jobs: jobs, steps: steps))
  }

  /// Small jobs that differ in their prompts.
  static func requests(jobs: Int, steps: Int) -> [JobRequest] {
    (0..<jobs).map { number in
      var settings = RenderRequest(model: "tiny")
      (settings.width, settings.height, settings.steps) = (64, 64, steps)
      (settings.scheduler, settings.seed, settings.precision) = (.ddim, 7, .f32)
      settings.prompt = "fox \(number)"
      return JobRequest(settings)
    }
  }

  /// This machine, as one that renders shards.
  private var node: ShardNode { ShardNode(shards: shards, folder: house.folder, models: house.models) }

  /// segmoectl, which must not fail.
  @discardableResult
  func ctl(_ arguments: String..., environment: [String: String] = [:]) throws -> String {
    let result = try RealClient.run(house, arguments, environment: environment)
    return try #require(result.answer, "\(arguments): \(result.error)")
  }

  /// Puts the batch into shards.
  func shard(at once: Int = 2) throws {
    try ctl("shard", "1", "--shards", "\(once)", "--to", shards, "--models", house.models)
  }

  func collect() throws -> [String: Int] {
    let text = try ctl("collect", shards, "--output", house.output, "--json")
    return try JSONDecoder().decode([String: Int].self, from: Data(text.utf8))
  }

  /// What a batch script does, without a batch system: renders a shard on this machine.
  /// - Returns: what the daemon says.
  @discardableResult
  func render(_ shard: Int, attempt: String = "1") throws -> String {
    try node.render(shard, attempt: attempt)
  }

  /// Renders a shard on this machine, and leaves it there.
  /// - Parameter models: the machine's folder of models; nil: the house's.
  /// - Returns: its folder, and what the daemon says.
  func begin(
    _ shard: Int, attempt: String, models: String? = nil
  ) throws -> (work: String, words: String) {
    try node.begin(shard, attempt: attempt, models: models)
  }

  /// Renders what it can of a shard that is on this machine.
  /// - Parameters:
  ///   - work: its folder.
  ///   - shard: its number.
  ///   - models: the machine's folder of models; nil: the house's.
  /// - Returns: what the daemon says.
  @discardableResult
  func drain(_ work: String, _ shard: Int, models: String? = nil) throws -> String {
    try node.drain(work, shard, models: models)
  }

  /// Renders some steps of job 1, brings home how far it is while the daemon is at it, and kills that.
  /// - Parameters:
  ///   - work: the folder of an attempt at the first shard.
  ///   - attempt: its name.
  ///   - states: how many are saved; there is one every five steps.
  func cutShort(_ work: String, attempt: String, after states: Int) throws {
    // It stops itself: the test cannot come too late.
    let faults = FaultLibrary.environment(["write:-wal~SGMCHK:\(states + 1):stop"], log: work + "/strikes")
    let daemon = try Process(
      "segmoed",
      [
        "--database", work + "/queue.sqlite", "--output", work + "/pictures", "--models", house.models,
        "--worker", "shard-0", "--threads", "1", "--log-level", "error",
      ], environment: ["SEGMOE_CHECKPOINT_STEPS": "5", "PATH": "/usr/bin:/bin"].merging(faults) { $1 })
    try daemon.run()
    defer {
      kill(daemon.processIdentifier, SIGKILL)
      daemon.waitUntilExit()
    }
    let held = HeldProcess(pid: daemon.processIdentifier)
    try house.wait { held.isStopped }
    try ctl("stage", "out", shards, "0", work, "--attempt", attempt)
  }

  /// The names of what attempts have left.
  func results() -> [String] {
    ((try? FileManager.default.contentsOfDirectory(atPath: shards + "/results")) ?? []).sorted()
  }

  /// Pictures by their paths below the folder of pictures.
  func pictures() throws -> [String: Data] {
    try house.files().reduce(into: [:]) { found, name in
      found[name] = try Data(contentsOf: URL(fileURLWithPath: house.output + "/" + name))
    }
  }

  /// The pictures of one queue, which nobody disturbed.
  static func undisturbed(jobs: Int, steps: Int) throws -> [String: Data] {
    let one = try ShardHouse(jobs: jobs, steps: steps)
    try RealDaemon.drain(one.house)
    return try one.pictures()
  }
}
