import Checkpoints
import Foundation
import GRDB
import JobStore
import RenderDaemon
import Testing

/// Real daemons, two on one queue, killed at random moments over and over; then everything must add up.
/// `SEGMOE_KILLS` says how often (`make torture`: 1,000), `SEGMOE_KILL_SEED` repeats a run's choices.
@Suite(.serialized) struct KillTests {
  private static let environment = ProcessInfo.processInfo.environment
  private static let kills = environment["SEGMOE_KILLS"].flatMap { Int($0) } ?? 60

  @Test func nothingIsLostDoneTwiceOrLeftHalfWritten() throws {
    let house = try DaemonHouse()
    let seed = Self.environment["SEGMOE_KILL_SEED"].flatMap { UInt64($0) } ?? UInt64.random(in: 1...1 << 40)
    var random = Chance(seed: seed)
    var daemons: [RealDaemon?] = [nil, nil]
    for kill in 0..<Self.kills {
      if try house.store.status().counts.queued < 6 { try enqueue(house, &random) }
      if kill % 10 == 9 { cancelOne(house, &random) }
      for slot in daemons.indices where daemons[slot]?.isRunning != true {
        daemons[slot] = try RealDaemon(house, worker: "w\(slot)", leaseSeconds: 1, checkpointSteps: 2)
      }
      // Starting takes some 50 ms: many kills while it signs on and claims, most while it renders.
      Thread.sleep(forTimeInterval: Double.random(in: 0...0.35, using: &random))
      daemons[Int.random(in: 0...1, using: &random)]?.kill()
    }
    for daemon in daemons where daemon?.isRunning == true { daemon?.kill() }
    try drain(house)
    try expectAllInOrder(house, "seed \(seed), \(Self.kills) kills")
  }

  /// A few jobs of every kind, some of which cannot be rendered.
  private func enqueue(_ house: DaemonHouse, _ random: inout Chance) throws {
    for _ in 0..<8 {
      let (count, steps) = (Int.random(in: 1...3, using: &random), Int.random(in: 2...25, using: &random))
      let scheduler = [SchedulerName.ddpm, .ddim, .euler].randomElement(using: &random)
      let model = Int.random(in: 0..<12, using: &random) == 0 ? "gone" : "tiny"
      try house.enqueue(attempts: Int.random(in: 1...5, using: &random)) {
        $0.count = count
        $0.steps = steps
        $0.scheduler = scheduler
        $0.model = model
      }
    }
  }

  private func cancelOne(_ house: DaemonHouse, _ random: inout Chance) {
    let open = (try? house.store.list())?.filter { [.queued, .running].contains($0.state) } ?? []
    // It may be over by now.
    if let job = open.randomElement(using: &random) { _ = try? house.store.cancel(job: job.id) }
  }

  /// Lets daemons end what is left, waiting for the leases of the dead and for retries.
  private func drain(_ house: DaemonHouse) throws {
    let end = Date(timeIntervalSinceNow: 120)
    // Jobs of the model that isn't there are retried, and their model held, for minutes: enough of them.
    for job in try house.store.list() where job.model == "gone" { _ = try? house.store.cancel(job: job.id) }
    repeat {
      try #require(Date() < end, "waited too long for the queue to drain")
      #expect(try RealDaemon(house, worker: "last", drain: true).end() == 0)
      Thread.sleep(forTimeInterval: 0.2)
    } while try house.store.status().counts.queued + house.store.status().counts.running > 0
    // Once more: what the last lost jobs left is removed at a start.
    #expect(try RealDaemon(house, worker: "last", drain: true).end() == 0)
  }

  private func expectAllInOrder(_ house: DaemonHouse, _ run: Comment) throws {
    let facts = try DatabaseQueue(path: house.store.path).read { db in
      try [
        "PRAGMA integrity_check", "SELECT count(*) FROM pragma_foreign_key_check",
        "SELECT count(*) FROM jobs WHERE state IN ('queued', 'running')",
        "SELECT count(*) FROM jobs WHERE attempts > max_attempts OR losses > 3",
        // Each job ends once.
        """
        SELECT count(*) FROM jobs j WHERE 1 <> (SELECT count(*) FROM events e
          WHERE e.job = j.id AND e.what IN ('done', 'failed', 'cancelled'))
        """,
        """
        SELECT count(*) FROM jobs j WHERE iif(j.state = 'done', j.count, 0)
          <> (SELECT count(*) FROM images i WHERE i.job = j.id)
        """,
        "SELECT count(*) FROM checkpoints",
        "SELECT count(*) FROM queue q WHERE q.done <> (SELECT count(*) FROM jobs WHERE state = 'done')",
      ].map { try String.fetchOne(db, sql: $0) }
    }
    #expect(facts == ["ok", "0", "0", "0", "0", "0", "0", "0"], run)

    var paths: Set<String> = []
    var jobs = 0
    for job in try house.store.list() {
      jobs += 1
      for image in try house.store.details(job: job.id).images {
        paths.insert(image.path)
        var digest = Digest()
        digest.add([UInt8](try Data(contentsOf: URL(fileURLWithPath: image.path))))
        #expect(digest.hexadecimal() == image.digest, "\(image.path), \(run)")
      }
    }
    #expect(Set(house.files().map { house.output + "/" + $0 }) == paths, run)
    let status = try house.store.status().counts
    print("kill harness, \(run): \(jobs) jobs, \(status), \(paths.count) pictures")
    #expect(status.done > 0)
  }
}

/// Choices that a number repeats (SplitMix64).
private struct Chance: RandomNumberGenerator {
  private var state: UInt64

  init(seed: UInt64) { state = seed }

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var bits = state
    bits = (bits ^ (bits >> 30)) &* 0xBF58_476D_1CE4_E5B9
    bits = (bits ^ (bits >> 27)) &* 0x94D0_49BB_1331_11EB
    return bits ^ (bits >> 31)
  }
}
