import Foundation
import JobStore
import Synchronization
import TestSupport
import Testing

/// What dies, or is cut, in a round.
enum ServerKill: String, CaseIterable {
  case daemon, client, server, pooler, connection, network
}

/// A queue on a server, where everything is killed over and over: daemons that render, clients in the middle of what they do,
/// the server, the pooler, connections before and after an answer, and the cable of a daemon's network.
final class ServerKillRound {
  private struct Victim {
    let daemon: Process
    /// When it is killed.
    let end: Date
    /// When it is asked to stop.
    var stop: Date?
  }

  let house: ServerHouse
  private let server: PostgresServer
  private let pooler: PostgresBouncer?
  private let proxy: CuttingProxy
  private let network: NetworkNamespace?
  private var reconnection: Date?
  private var random: RandomNumbers
  private var victims: [Victim?] = [nil, nil, nil]
  private var started = 0
  private var deaths: [ServerKill: Int] = [:]
  /// The jobs of every enqueue that answered.
  private(set) var accepted: [ClosedRange<Int64>] = []
  /// Enqueues with a key and without, each of which makes one batch, however often it was tried.
  private(set) var enqueues = (keyed: 0, plain: 0)

  /// - Parameter seed: of all choices.
  init(seed: UInt64) throws {
    server = try PostgresServer()
    network = PostgresBouncer.isInstalled && NetworkNamespace.isPossible ? try NetworkNamespace() : nil
    pooler = PostgresBouncer.isInstalled ? try PostgresBouncer(before: server, at: network?.host) : nil
    house = try ServerHouse(on: server)
    random = RandomNumbers(seed: seed)
    let cuts = Mutex(RandomNumbers(seed: ~seed))
    proxy = try CuttingProxy(before: server) {
      cuts.withLock { numbers in
        // The first answer is to the connection itself: without it a daemon says so and ends.
        (CuttingProxy.Cut.allCases.randomElement(using: &numbers) ?? .beforeReply, 2 + numbers.below(200))
      }
    }
  }

  /// How often what was killed.
  var kills: [ServerKill: Int] { deaths.merging([.connection: proxy.cuts], uniquingKeysWith: +) }

  private var count: Int { kills.values.reduce(0, +) }

  /// Kills so often, then lets daemons render what is left.
  func run(kills: Int) throws {
    var turns = 0
    // The limit only guards against waiting for ever.
    let end = Date(timeIntervalSinceNow: Patience.seconds + Double(kills * 30))
    while count < kills {
      try #require(Date() < end, "waited too long for kills: \(self.kills); \(house.words.suffix(600))")
      if turns % 10 == 0, try house.client.status().counts.queued < 6 { try enqueue() }
      if turns % 12 == 7 { try clientTurn() }
      if turns % 60 == 50 { try crash(.server) { try server.crash() } }
      if turns % 50 == 20, let pooler { try crash(.pooler) { try pooler.crash() } }
      try pullTheCable(if: turns % 300 == 30)
      turns += 1
      for slot in victims.indices {
        try look(at: slot)
        if victims[slot] == nil { try start(in: slot) }
      }
      usleep(10_000)
    }
    for victim in victims {
      guard let victim else { continue }
      kill(victim.daemon.processIdentifier, SIGKILL)
      victim.daemon.waitUntilExit()
    }
    if reconnection != nil { try network?.setConnected(true) }
    try drain()
  }

  private func crash(_ what: ServerKill, _ body: () throws -> Void) throws {
    try body()
    deaths[what, default: 0] += 1
  }

  /// Seconds.
  private static let lease = 2

  /// Longer and shorter than a lease.
  private func pullTheCable(if itIsTime: Bool) throws {
    guard let network else { return }
    if let end = reconnection, end <= Date() {
      try network.setConnected(true)
      reconnection = nil
    } else if itIsTime, reconnection == nil {
      try crash(.network) { try network.setConnected(false) }
      reconnection = Date(timeIntervalSinceNow: .random(in: 0.5...5, using: &random))
    }
  }

  /// One of the ways to the queue from this machine's own network.
  private func way() -> String? {
    switch random.below(3) {
    case 0: nil
    case 1: pooler?.address(house.address)
    default: proxy.address(house.address)
    }
  }

  private func start(in slot: Int) throws {
    started += 1
    // Most come back under the old name and free their old jobs at once, some under a new one: then the lease has to run out.
    let name = random.isLucky(oneIn: 4) ? "n\(started)" : "w\(slot)"
    var end = Date(timeIntervalSinceNow: .random(in: 0.05...1.5, using: &random))
    var stop: Date?
    let daemon: Process
    if slot == 0, let network, let pooler, random.isLucky(oneIn: 2) {
      // It lives long enough to be alone for a while.
      end += 6
      daemon = try house.daemon(
        name, on: pooler.address(house.address, at: network.host), leaseSeconds: Self.lease,
        in: network.name)
    } else {
      daemon = try house.daemon(name, on: way(), leaseSeconds: Self.lease)
    }
    if random.isLucky(oneIn: 5) {
      stop = end
      end += .random(in: 0...0.05, using: &random)
    }
    victims[slot] = Victim(daemon: daemon, end: end, stop: stop)
  }

  /// Sees whether a daemon is dead, and whether it is time.
  private func look(at slot: Int) throws {
    guard let victim = victims[slot] else { return }
    if victim.daemon.isRunning {
      if let stop = victim.stop, stop <= Date() {
        victim.daemon.terminate()
        victims[slot]?.stop = nil
      }
      guard victim.end <= Date() else { return }
      kill(victim.daemon.processIdentifier, SIGKILL)
    }
    victim.daemon.waitUntilExit()
    victims[slot] = nil
    let code = victim.daemon.terminationStatus
    switch (victim.daemon.terminationReason, code) {
    case (.uncaughtSignal, SIGKILL): deaths[.daemon, default: 0] += 1
    // It was asked to stop, perhaps before it could hear that, or found no server when it started.
    case (.exit, 0), (.uncaughtSignal, SIGTERM), (.exit, 69): break
    default: Issue.record("ended with \(code): \(house.words.suffix(600))")
    }
  }

  private func enqueue() throws {
    for _ in 0..<8 {
      guard let kind = PictureReference.kinds.randomElement(using: &random) else { return }
      let job = try house.enqueue(
        kind, count: .random(in: 1...PictureReference.most, using: &random),
        attempts: .random(in: 1...6, using: &random))
      enqueues.plain += 1
      accepted.append(job...job)
    }
  }

  /// A client does something, and is perhaps killed in the middle of it.
  private func clientTurn() throws {
    let open = try house.client.list(JobFilter()).filter { $0.state.isOpen }
    guard let job = open.randomElement(using: &random) else { return }
    var words: [String]
    switch random.below(5) {
    case 0: words = ["cancel", "\(job.id)"]
    case 1: words = ["reorder", "\(job.id)", "--priority", "\(Int.random(in: -2...2, using: &random))"]
    case 2: words = [random.isLucky(oneIn: 2) ? "pause" : "resume", "--batch", "\(job.batch)"]
    default:
      enqueues.keyed += 1
      words = [
        "enqueue", "--json", "--key", "key \(enqueues.keyed)", "--model", "tiny", "--width", "64", "--height",
        "64",
        "--steps", "3",
      ]
      words += (1...Int.random(in: 1...5, using: &random)).map { "prompt \($0)" }
    }
    let life = random.isLucky(oneIn: 4) ? nil : Double.random(in: 0.005...0.15, using: &random)
    var outcome = try house.control(by: way(), words, killedAfter: life)
    // timeout(1) says it so, or dies of it, too.
    if life != nil, [-1, 137].contains(outcome.code) { deaths[.client, default: 0] += 1 }
    guard words[0] == "enqueue" else { return }
    // Whoever heard nothing asks again.
    if outcome.code != 0 { outcome = try house.control(words) }
    struct Answer: Decodable { let jobs: [Int64] }
    try #require(outcome.code == 0, "\(outcome.errors)")
    let jobs = try JSONDecoder().decode(Answer.self, from: Data(outcome.output.utf8)).jobs
    accepted.append(try #require(jobs.first)...(try #require(jobs.last)))
  }

  /// Lets daemons end what is left, waiting for the leases of the dead and for retries.
  private func drain() throws {
    let end = Patience.end
    for batch in try house.client.batches(limit: 100_000) where batch.isPaused {
      try house.client.setPaused(false, batch: batch.id)
    }
    var isLast = false
    // Once more at the end: what the last lost jobs left is removed at a start.
    while !isLast {
      try #require(Date() < end, "waited too long for the queue to drain: \(house.words.suffix(600))")
      isLast = try house.client.status().counts.open == 0
      // What waits for another attempt need not wait for long.
      for job in try house.client.list(JobFilter()) where job.state == .queued && job.runAfter != nil {
        _ = try? house.client.retry(.job(job.id))
      }
      let daemon = try house.daemon("last", drains: true, leaseSeconds: Self.lease)
      daemon.waitUntilExit()
      #expect([0, 1].contains(daemon.terminationStatus), "\(house.words.suffix(600))")
      usleep(100_000)
    }
  }
}
