import Foundation
import JobStore
import RenderDaemon
import Testing

/// Real daemons and clients on one queue, killed over and over: at random moments, and in the middle of a
/// claim, a step, a checkpoint, a picture, or between its name and its row. Then everything must add up.
/// `SEGMOE_KILLS` says how often (`make torture`: 1,000), `SEGMOE_KILL_SEED` repeats a run's choices.
@Suite(.serialized) struct KillTests {
  private static let environment = ProcessInfo.processInfo.environment
  private static let kills = environment["SEGMOE_KILLS"].flatMap { Int($0) } ?? 66
  /// Before everything is compared; then another queue.
  private static let killsPerRound = 33

  @Test(.enabled(if: FaultLibrary.isThere)) func nothingIsLostDoneTwiceOrLeftHalfWritten() throws {
    let seed = Self.environment["SEGMOE_KILL_SEED"].flatMap { UInt64($0) } ?? UInt64.random(in: 1...1 << 40)
    var (kills, rounds, jobs, pictures, clients) = (0, 0, 0, 0, 0)
    var deaths: [KillAim: Int] = [:]
    while kills < Self.kills {
      let round = try KillRound(seed: seed &+ UInt64(rounds), daemons: 2 + rounds % 2)
      try round.run(kills: min(Self.killsPerRound, Self.kills - kills))
      let account = try QueueAccount.expectInOrder(
        round.house, accepted: round.accepted, "seed \(seed), round \(rounds)")
      #expect(account.counts.done > 0)
      rounds += 1
      kills += round.kills
      clients += round.clientDeaths
      jobs += account.counts.total
      pictures += account.pictures
      deaths.merge(round.deaths, uniquingKeysWith: +)
    }
    let aims = KillAim.allCases.map { "\($0.rawValue) \(deaths[$0] ?? 0)" }.joined(separator: ", ")
    print(
      """
      kill harness, seed \(seed): \(kills) kills in \(rounds) rounds (\(aims), clients \(clients)): \
      \(jobs) jobs, \(pictures) pictures, all in order
      """)
  }

  /// Three deaths by one job at which it got no further than at the first, and it is set aside: the next one is
  /// rendered.
  @Test(.enabled(if: FaultLibrary.isThere)) func aJobThatKillsItsDaemonIsSetAside() throws {
    let house = try DaemonHouse()
    let poison = try house.enqueue(attempts: 10) { $0.steps = 5 }
    let next = try house.enqueue()
    for _ in 0..<4 {
      let daemon = try RealDaemon(house, faults: ["write:-wal~SGMCHK:1:kill"])
      try house.wait { !daemon.isRunning }
      #expect(daemon.wasKilled, "\(daemon.account)")
    }
    #expect(try RealDaemon(house, drain: true).end() == 0)
    let job = try house.job(poison)
    #expect(
      job.state == .failed && job.failure?.kind == .lost && job.losses == 3 && job.attempts == 3, "\(job)")
    #expect(try house.job(next).state == .done)
    try QueueAccount.expectInOrder(house, "")
  }
}
