import Foundation
import JobStore
import TestSupport
import Testing

/// Shards in a real Slurm, disturbed in every way that clusters know: the pictures are those of one queue, byte for byte.
@Suite(.serialized, .enabled(if: SlurmCluster.isInstalled, SlurmCluster.absence))
struct SlurmTests {
  private static let jobs = 4
  private static let steps = 700

  private let cluster: SlurmCluster
  private let shards: ShardHouse

  init() throws {
    cluster = try SlurmCluster()
    shards = try ShardHouse(jobs: Self.jobs, steps: Self.steps)
    try shards.shard()
  }

  /// - Parameter tasks: which; nil: all.
  /// - Returns: the array's number.
  private func submit(_ tasks: String? = nil) throws -> Int {
    var arguments = ["submit", "--slurm", shards.shards, "--json"]
    if let tasks { arguments += ["--", "--array=\(tasks)"] }
    let result = try RealClient.run(shards.house, arguments, environment: cluster.environment())
    let text = try #require(result.answer, "\(result.error)")
    let answer = try JSONDecoder().decode([String: Int].self, from: Data(text.utf8))
    return try #require(answer["array"])
  }

  /// Waits until attempts at the first two shards have left something.
  private func waitForBoth() throws {
    try shards.house.wait(every: 0.1) {
      let names = shards.results()
      return ["0000.", "0001."].allSatisfy { start in
        names.contains { $0.hasPrefix(start) && $0.hasSuffix(".sqlite") }
      }
    }
  }

  private func expectPicturesOfOneQueue() throws {
    try shards.house.wait(seconds: 600, every: 0.5) { try cluster.isEmpty() }
    let collected = try shards.collect()
    #expect(collected["done"] == Self.jobs && collected["left"] == 0, "\(collected) \(shards.results())")
    #expect(try shards.pictures() == ShardHouse.undisturbed(jobs: Self.jobs, steps: Self.steps))
  }

  private func events() throws -> [Event.Kind] {
    try (1...Int64(Self.jobs)).flatMap { try shards.house.client.details(job: $0).events.map(\.kind) }
  }

  @Test func requeuedKilledAndSubmittedTwice() throws {
    let array = try submit()
    try waitForBoth()
    let daemon = try #require(SlurmCluster.daemon(ofShard: 1, in: shards.shards))
    Glibc.kill(daemon, SIGKILL)
    try cluster.run("scontrol", "requeue", "\(array)_0")
    _ = try submit()
    try expectPicturesOfOneQueue()
    let events = try events()
    // The requeued daemon gave its job back; the killed one could not.
    #expect(events.contains(.givenBack) && events.contains(.lost))
    // Once more: nothing is left to do.
    let again = try submit()
    try shards.house.wait(every: 0.2) { try cluster.isEmpty() }
    #expect(!shards.results().contains { $0.contains(".\(again).") })
    #expect(try shards.collect()["done"] == 0)
  }

  /// The warning before the time limit: the task gives its job back and requeues itself. Its number is that of the whole
  /// array, because it is the last; the other task goes on.
  @Test func theTimeIsNearlyUp() throws {
    let array = try submit("0-1")
    try waitForBoth()
    try cluster.run("scancel", "--signal=USR1", "--batch", "\(array)_1")
    try shards.house.wait(seconds: 600, every: 0.2) { try cluster.isEmpty() }
    let results = shards.results()
    #expect(results.contains { $0.hasPrefix("0001.") && $0.hasSuffix(".1.sqlite") }, "\(results)")
    #expect(!results.contains { $0.hasPrefix("0000.") && $0.hasSuffix(".1.sqlite") }, "\(results)")
    #expect(results.filter { $0.hasSuffix(".over") } == ["0000.over", "0001.over"])
    _ = try submit()
    try expectPicturesOfOneQueue()
    #expect(try events().contains(.givenBack))
    #expect(try cluster.workFolders().isEmpty)
  }

  /// The node's daemon is gone, and what it has started lives on, while Slurm renders the shard a second time.
  @Test func aLostNodeWhoseProcessesLiveOn() throws {
    _ = try submit()
    try waitForBoth()
    // It lives, but gets no further until the other attempt has begun.
    let daemon = try #require(SlurmCluster.daemon(ofShard: 0, in: shards.shards))
    Glibc.kill(daemon, SIGSTOP)
    defer { Glibc.kill(daemon, SIGCONT) }
    try cluster.loseNode(ofTask: 0)
    try shards.house.wait(seconds: 600, every: 0.2) {
      shards.results().filter { $0.hasPrefix("0000.") }.count > 1
    }
    Glibc.kill(daemon, SIGCONT)
    try expectPicturesOfOneQueue()
  }
}
