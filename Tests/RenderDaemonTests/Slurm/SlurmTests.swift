import Foundation
import JobStore
import TestSupport
import Testing

/// Shards in a real Slurm, disturbed in every way that clusters know: the pictures are those of one queue, byte for byte.
/// Daemons that something happens to have stopped themselves before, in the middle of their jobs.
@Suite(
  .serialized, .enabled(if: SlurmCluster.isInstalled, SlurmCluster.absence),
  .enabled(if: FaultLibrary.isThere)
)
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

  /// Waits until the daemon of a shard stands still in the middle of its job, and its attempt has left something.
  private func waitUntilHeld(_ shard: Int) throws -> HeldProcess {
    var held: HeldProcess?
    try shards.house.wait(every: 0.1) {
      held = SlurmCluster.daemon(ofShard: shard, in: shards.shards)
      return held?.isStopped == true && !attempts(at: shard).isEmpty
    }
    return try #require(held)
  }

  /// What attempts at a shard have left.
  private func attempts(at shard: Int) -> [String] {
    shards.results().filter { $0.hasPrefix("000\(shard).") && $0.hasSuffix(".sqlite") }
  }

  /// Lets a daemon go on once it was asked to stop.
  private func letGo(_ daemon: HeldProcess) throws {
    // Whoever ends a job for Slurm may have let it go already.
    try shards.house.wait(every: 0.02) { daemon.awaits(SIGTERM) || !daemon.isStopped }
    daemon.goOn()
  }

  private func expectPicturesOfOneQueue() throws {
    try shards.house.wait(every: 0.5) { try cluster.isEmpty() }
    let collected = try shards.collect()
    #expect(collected["done"] == Self.jobs && collected["left"] == 0, "\(collected) \(shards.results())")
    #expect(try shards.pictures() == ShardHouse.undisturbed(jobs: Self.jobs, steps: Self.steps))
  }

  private func events() throws -> [Event.Kind] {
    try (1...Int64(Self.jobs)).flatMap { try shards.house.client.details(job: $0).events.map(\.kind) }
  }

  @Test func requeuedKilledAndSubmittedTwice() throws {
    try cluster.hold(shards: 0, 1)
    let array = try submit()
    let (first, second) = (try waitUntilHeld(0), try waitUntilHeld(1))
    kill(second.pid, SIGKILL)
    try cluster.run("scontrol", "requeue", "\(array)_0")
    try letGo(first)
    // The second array goes on with the shard where the first has left it.
    try shards.house.wait(every: 0.1) {
      try attempts(at: 0).contains { name in
        let left = try QueueClient.open(path: "\(shards.shards)/results/\(name)", for: .reading)
        return try left.details(job: 1).events.contains { $0.kind == .givenBack }
      }
    }
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
    try cluster.hold(shards: 1)
    let array = try submit("0-1")
    let daemon = try waitUntilHeld(1)
    try cluster.run("scancel", "--signal=USR1", "--batch", "\(array)_1")
    try letGo(daemon)
    try shards.house.wait(every: 0.2) { try cluster.isEmpty() }
    let results = shards.results()
    #expect(results.contains { $0.hasPrefix("0001.") && $0.hasSuffix(".1.sqlite") }, "\(results)")
    #expect(!results.contains { $0.hasPrefix("0000.") && $0.hasSuffix(".1.sqlite") }, "\(results)")
    #expect(results.filter { $0.hasSuffix(".over") } == ["0000.over", "0001.over"])
    _ = try submit()
    try expectPicturesOfOneQueue()
    #expect(try events().contains(.givenBack))
    #expect(try cluster.workFolders().isEmpty)
  }

  /// The node's daemon is gone, and what it has started lives on, while Slurm renders the shard a second time. In the end
  /// both have.
  @Test func aLostNodeWhoseProcessesLiveOn() throws {
    try cluster.hold(shards: 0)
    _ = try submit()
    let daemon = try waitUntilHeld(0)
    try cluster.loseNode(ofTask: 0)
    try shards.house.wait(every: 0.2) { shards.results().contains("0000.over") }
    daemon.goOn()
    try shards.house.wait(every: 0.2) { try cluster.workFolders().isEmpty }
    #expect(attempts(at: 0).count == 2, "\(shards.results())")
    try expectPicturesOfOneQueue()
  }
}
