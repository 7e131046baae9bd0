import Foundation
import JobStore
import Requests
import TestSupport
import Testing

/// A queue whose daemons and clients are killed over and over, beside neighbours, and the account of what was promised.
final class KillRound {
  /// A daemon, and when and how it is to die.
  private struct Victim {
    let daemon: RealDaemon
    let worker: String
    var aim: KillAim
    /// When the harness kills it, should no rule have done so.
    var end: Date
    /// When it is asked to stop.
    var stop: Date?
  }

  let house: DaemonHouse
  private var random: RandomNumbers
  private var victims: [Victim?]
  private var started = 0
  /// Deaths of daemons by what they were aimed at.
  private(set) var deaths: [KillAim: Int] = [:]
  /// Deaths of clients.
  private(set) var clientDeaths = 0
  /// The jobs of every enqueue that answered.
  private(set) var accepted: [ClosedRange<Int64>] = []
  private let neighbours: Set<Neighbour>
  private var clock: SetClock?
  private(set) var vandal: RowVandal
  /// How often each neighbour did something.
  private(set) var deeds: [String: Int] = [:]

  var kills: Int { deaths.values.reduce(clientDeaths, +) }

  /// The models of the daemon that lacks one.
  private var fewModels: String { house.models + "/.few" }

  /// - Parameters:
  ///   - seed: of all choices.
  ///   - daemons: at the same time, on one queue.
  ///   - neighbours: what else goes on.
  init(seed: UInt64, daemons: Int, neighbours: Set<Neighbour>) throws {
    house = try DaemonHouse()
    random = RandomNumbers(seed: seed)
    victims = Array(repeating: nil, count: daemons)
    self.neighbours = neighbours
    vandal = RowVandal(house)
    if neighbours.contains(.clock) { clock = try SetClock(path: house.models + "/.clock") }
    guard neighbours.contains(.models) else { return }
    let files = FileManager.default
    try files.createDirectory(atPath: fewModels, withIntermediateDirectories: true)
    try files.copyItem(atPath: house.model, toPath: fewModels + "/tiny")
    try files.copyItem(atPath: house.model, toPath: house.models + "/other")
  }

  /// Kills so often, then lets daemons render what is left.
  func run(kills: Int) throws {
    let locks =
      try neighbours.contains(.locks)
      ? LockHolder(path: house.client.path, lease: Self.lease, seed: random.next()) : nil
    do {
      try strike(kills)
    } catch {
      _ = locks?.end()
      throw error
    }
    for victim in victims where victim?.daemon.isRunning == true { victim?.daemon.kill() }
    if let found = locks?.end() {
      deeds["locks"] = found.holds
      deeds["beyond a lease"] = found.longHolds
    }
    try clock?.setRight()
    if let clock { deeds["clock steps"] = clock.steps }
    if neighbours.contains(.rows) { deeds["rows changed"] = vandal.count }
    if neighbours.contains(.models) {
      deeds["jobs of a model that one lacks"] = try house.client.list().count { $0.model == "other" }
    }
    try drain()
  }

  /// Seconds.
  private static let lease = 1.0

  private func strike(_ kills: Int) throws {
    var turns = 0
    let end = Date(timeIntervalSinceNow: Patience.seconds + Double(kills * 30))
    while self.kills < kills {
      try #require(Date() < end, "waited too long for kills: \(deaths)")
      if queued() < 6 { try enqueue() }
      if turns % 20 == 0 { try clientTurn() }
      if turns % 9 == 3 { try clock?.step(&random) }
      if turns % 15 == 4, neighbours.contains(.rows) { try vandal.strike(&random) }
      turns += 1
      for slot in victims.indices {
        look(at: slot)
        if victims[slot] == nil { try start(in: slot) }
      }
      Thread.sleep(forTimeInterval: 0.01)
    }
  }

  /// Jobs that wait, whatever the counts say.
  private func queued() -> Int {
    var waiting = JobFilter()
    waiting.states = [.queued]
    return (try? house.client.list(waiting).count) ?? 0
  }

  private func start(in slot: Int) throws {
    started += 1
    let aim = KillAim.allCases.randomElement(using: &random) ?? .anywhere
    // Most come back under the old name and free their old jobs at once, some under a new one: then the
    // lease has to run out.
    let rule = aim.rule(worker: "n\(started)", &random)
    let worker = rule?.contains("n\(started)") == true ? "n\(started)" : "w\(slot)"
    let daemon = try RealDaemon(
      house, worker: worker, leaseSeconds: Int(Self.lease), checkpointSteps: 2,
      metrics: house.folder + "/\(worker).prom",
      models: neighbours.contains(.models) && slot == 1 ? fewModels : nil,
      faults: rule.map { [$0] } ?? [], clock: clock?.path,
      // Some take several jobs at a time, together or side by side.
      environment: [
        "SEGMOE_COALESCE": "\(Int.random(in: 1...3, using: &random))",
        "SEGMOE_JOBS": "\(Int.random(in: 1...2, using: &random))",
      ])
    var victim = Victim(daemon: daemon, worker: worker, aim: aim, end: Date(timeIntervalSinceNow: 2))
    switch aim {
    // Starting takes some 50 ms: many of these die while they sign on and claim.
    case .anywhere: victim.end = Date(timeIntervalSinceNow: .random(in: 0...0.35, using: &random))
    case .stopping:
      let stop = Date(timeIntervalSinceNow: .random(in: 0.05...0.5, using: &random))
      victim.stop = stop
      victim.end = stop + .random(in: 0...0.03, using: &random)
    default: break
    }
    victims[slot] = victim
  }

  /// Sees whether a daemon is dead, and whether it is time.
  private func look(at slot: Int) {
    guard var victim = victims[slot] else { return }
    if victim.daemon.isRunning {
      if let stop = victim.stop, stop <= Date() {
        victim.daemon.askToStop()
        victim.stop = nil
        victims[slot] = victim
      }
      guard victim.end <= Date() || victim.aim == .step && isStepping(victim) else { return }
      // A rule may wait for what never comes: that death counts as one at a random moment.
      if ![.step, .stopping].contains(victim.aim) { victim.aim = .anywhere }
      victim.daemon.kill()
    }
    if victim.daemon.wasKilled {
      deaths[victim.aim, default: 0] += 1
    } else if neighbours.contains(.rows) && victim.daemon.account.contains(RowVandal.refusal) {
      // Its successor is refused until that row is a minute old, or somebody writes another.
    } else if victim.aim != .stopping {
      Issue.record("\(victim.aim): \(victim.daemon.account)")
    }
    victims[slot] = nil
  }

  /// Steps take nearly all of the time, so that the next kill falls into one.
  private func isStepping(_ victim: Victim) -> Bool {
    var running = JobFilter()
    running.states = [.running]
    let jobs = (try? house.client.list(running)) ?? []
    return jobs.contains { job in
      job.tenure?.worker == victim.worker && job.images.contains { $0.phase == .denoising && $0.step > 0 }
    }
  }

  /// A few jobs of every kind, some of which cannot be rendered.
  private func enqueue() throws {
    for number in 0..<8 {
      let count = Int.random(in: 1...PictureReference.most, using: &random)
      guard let kind = PictureReference.kinds.randomElement(using: &random) else { return }
      // One of the first always, so that no round is without.
      let isOther = number == 0 && accepted.isEmpty || random.isLucky(oneIn: 5)
      let other = neighbours.contains(.models) && isOther ? "other" : "tiny"
      let model = number > 0 && random.isLucky(oneIn: 12) ? "gone" : other
      do {
        let job = try house.enqueue(attempts: .random(in: 1...6, using: &random)) {
          $0.count = count
          $0.steps = kind.steps
          $0.scheduler = kind.scheduler
          $0.model = model
        }
        accepted.append(job...job)
      } catch let error as JobStoreError where neighbours.contains(.rows) {
        // What was changed may refuse it until a daemon has put it right.
        guard case .wrongRow = error else { throw error }
        return
      }
    }
  }

  /// A client does something, and is perhaps killed in the middle of its transaction.
  private func clientTurn() throws {
    let number = Int.random(in: 1...4, using: &random)
    let rule = [
      "write:-wal:\(number):kill", "write:-wal:\(number):half", "sync:-wal:1:kill", "sync:-wal:1:after",
    ].randomElement(using: &random)
    let faults = random.isLucky(oneIn: 3) ? [] : [rule ?? ""]
    let open = ((try? house.client.list()) ?? []).filter { $0.state.isOpen }
    guard let job = open.randomElement(using: &random) else { return }
    var arguments: [String]
    switch Int.random(in: 0..<5, using: &random) {
    case 0: arguments = ["cancel", "\(job.id)"]
    case 1: arguments = ["reorder", "\(job.id)", "--priority", "\(Int.random(in: -2...2, using: &random))"]
    case 2: arguments = [random.isLucky(oneIn: 2) ? "pause" : "resume", "--batch", "\(job.batch)"]
    default:
      arguments = ["enqueue", "--json", "--model", "tiny", "--width", "64", "--height", "64", "--steps", "3"]
      arguments += (1...Int.random(in: 1...5, using: &random)).map { "prompt \($0)" }
    }
    let outcome = try RealClient.run(house, arguments, faults: faults, clock: clock?.path)
    if outcome.wasKilled { clientDeaths += 1 }
    if arguments[0] == "enqueue", let answer = outcome.answer {
      struct Answer: Decodable { let jobs: [Int64] }
      let jobs = try JSONDecoder().decode(Answer.self, from: Data(answer.utf8)).jobs
      accepted.append(try #require(jobs.first)...(try #require(jobs.last)))
    }
  }

  /// Lets daemons end what is left, waiting for the leases of the dead and for retries.
  func drain() throws {
    let end = Patience.end
    // What was changed by hand must not refuse what follows.
    let mender = try house.session("mender")
    try mender.signOff()
    try mender.close()
    for batch in try house.client.batches(limit: 100_000) where batch.isPaused {
      try house.client.setPaused(false, batch: batch.id)
    }
    // Jobs of the model that isn't there are retried, and their model held, for minutes: enough of them.
    for job in try house.client.list() where job.model == "gone" { _ = try? house.client.cancel(job: job.id) }
    repeat {
      try #require(Date() < end, "waited too long for the queue to drain")
      // What waits for another attempt need not wait for long.
      for job in try house.client.list() where job.state == .queued && job.runAfter != nil {
        try? house.client.retry(job: job.id)
      }
      try RealDaemon.drain(house, worker: "last")
      Thread.sleep(forTimeInterval: 0.2)
    } while try house.client.status().counts.open > 0
    // Once more: what the last lost jobs left is removed at a start, and half-written metrics when a worker of their
    // name starts. Of a worker that died long ago, by a clock that jumped, the queue knows nothing any more.
    let beside = try FileManager.default.contentsOfDirectory(atPath: house.folder)
    let writers = beside.compactMap { name in
      name.firstRange(of: ".prom.tmp-").map { String(name[..<$0.lowerBound].dropFirst()) }
    }
    for worker in Set(writers).union(["last"]).sorted() {
      let metrics = worker == "last" ? house.metrics : house.folder + "/\(worker).prom"
      try RealDaemon.drain(house, worker: worker, metrics: metrics)
    }
  }
}
