import Foundation
import JobStore
import RenderDaemon
import TestSupport
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
    let reference = try PictureReference()
    var (kills, rounds, jobs, pictures, clients) = (0, 0, 0, 0, 0)
    var deaths: [KillAim: Int] = [:]
    var deeds: [String: Int] = [:]
    while kills < Self.kills {
      let round = try KillRound(
        seed: seed &+ UInt64(rounds), daemons: 2 + rounds % 2, neighbours: Neighbour.all(inRound: rounds))
      try round.run(kills: min(Self.killsPerRound, Self.kills - kills))
      let account = try QueueAccount.expectInOrder(
        round.house, accepted: round.accepted, touched: round.vandal.touched, reference: reference,
        "seed \(seed), round \(rounds)")
      #expect(account.counts.done > 0)
      rounds += 1
      kills += round.kills
      clients += round.clientDeaths
      jobs += account.counts.total
      pictures += account.pictures
      deaths.merge(round.deaths, uniquingKeysWith: +)
      deeds.merge(round.deeds, uniquingKeysWith: +)
    }
    // Of every kind there was something: else the rounds are too few, or a neighbour slept.
    if rounds > 1 { #expect(deeds.count == 5 && deeds.values.allSatisfy { $0 > 0 }, "\(deeds)") }
    let beside = deeds.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value)" }.joined(separator: ", ")
    let aims = KillAim.allCases.map { "\($0.rawValue) \(deaths[$0] ?? 0)" }.joined(separator: ", ")
    print(
      """
      kill harness, seed \(seed): \(kills) kills in \(rounds) rounds (\(aims), clients \(clients)), \
      beside \(beside): \(jobs) jobs, \(pictures) pictures, all in order
      """)
  }

  /// Three deaths by one job at which it got no further than at the first, and it is set aside: the next one is
  /// rendered.
  @Test(.enabled(if: FaultLibrary.isThere)) func aJobThatKillsItsDaemonIsSetAside() throws {
    let house = try DaemonHouse()
    // So many steps that it does not end before a busy machine writes one state.
    let poison = try house.enqueue(attempts: 10) { $0.steps = 200 }
    let next = try house.enqueue()
    // It dies when the first state is written, after its first steps. How many are known of by then varies by one or two,
    // and each time that it got further the losses before are forgotten: so no number of deaths is certain to be enough.
    var deaths = 0
    while deaths < 12, try house.job(poison).state != .failed {
      let daemon = try RealDaemon(house, faults: ["write:-wal~SGMCHK:1:kill"])
      try house.wait { try !daemon.isRunning || house.job(poison).state == .done }
      try #require(!daemon.isRunning, "no state was written")
      #expect(daemon.wasKilled, "\(daemon.account)")
      deaths += 1
    }
    #expect(try RealDaemon(house, drain: true).end() == 0)
    // Each was its death but the last: the daemon that set it aside went on with the next.
    #expect(try house.client.details(job: poison).events.count { $0.kind == .lost } == deaths - 1)
    let job = try house.job(poison)
    #expect(
      job.state == .failed && job.failure?.kind == .lost && job.losses == 3 && job.attempts == 3, "\(job)")
    #expect(try house.job(next).state == .done)
    try QueueAccount.expectInOrder(house, "")
  }

  /// A long job whose daemon is killed a hundred times, each time after it got further: it ends in the very bytes of one
  /// that nobody disturbed, and no kill is held against it.
  @Test(.enabled(if: FaultLibrary.isThere)) func aLongJobSurvivesAHundredKills() throws {
    let kills = max(100, Self.kills / 5)
    // So many that a busy machine does not end them between two kills.
    let pictureCount = 6
    func enqueue(_ house: DaemonHouse) throws -> Int64 {
      try house.enqueue(attempts: 1) {
        $0.steps = 1000
        $0.count = pictureCount
        $0.scheduler = .euler
        $0.seed = 5
        $0.width = 96
      }
    }
    func pictures(_ house: DaemonHouse, _ id: Int64) throws -> [Data] {
      try house.client.details(job: id).images.map { try Data(contentsOf: URL(fileURLWithPath: $0.path)) }
    }
    let quiet = try DaemonHouse()
    let undisturbed = try enqueue(quiet)
    #expect(try RealDaemon(quiet, drain: true, checkpointSteps: 100).end() == 0)

    let house = try DaemonHouse()
    let id = try enqueue(house)
    /// Steps of all pictures that are in the queue.
    func kept() throws -> Int {
      try (0..<pictureCount).reduce(0) { sum, index in
        switch try house.client.checkpoint(job: id, index: index) {
        case .step(let step, _, _): sum + step
        case .file: sum + 1000
        case nil: sum
        }
      }
    }
    var (done, last) = (0, 0)
    while done < kills, try house.job(id).state != .done {
      // It stands there, so that it gets no further than the test has seen.
      let daemon = try RealDaemon(house, faults: [RealDaemon.beforeEachState])
      let stands = try daemon.goOn { try kept() > last }
      try #require(stands, "\(daemon.account)")
      daemon.kill()
      done += 1
      last = try kept()
    }
    #expect(done >= 100, "it was over after \(done) kills: its steps are too few")
    let job = try house.job(id)
    #expect(job.state != .failed && job.attempts <= 1 && job.losses == 0, "\(job)")
    #expect(try RealDaemon(house, drain: true, checkpointSteps: 100).end() == 0)
    #expect(try pictures(house, id) == pictures(quiet, undisturbed))
    #expect(try pictures(house, id).count == pictureCount)
    #expect(try house.client.details(job: id).events.count { $0.kind == .lost } == done)
    try QueueAccount.expectInOrder(house, accepted: [id...id], "")
    print("kill harness: one job of 6,000 steps, \(done) kills, the bytes of an undisturbed run")
  }
}
