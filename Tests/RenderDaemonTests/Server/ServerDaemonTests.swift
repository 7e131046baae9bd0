import Foundation
import JobStore
import PostgresStore
import Requests
import TestSupport
import Testing

/// Daemons on a queue of PostgreSQL give the bytes that those on a file give, whatever happens on the way.
@Suite(.enabled(if: PostgresServer.isInstalled, Comment(rawValue: PostgresServer.absence)))
struct ServerDaemonTests {
  static let steps = 150

  /// The same job in a file.
  static func undisturbed() throws -> [Data] { try ServerHouse.undisturbed(steps: Self.steps) }

  @Test func thePicturesOfAFile() throws {
    let house = try ServerHouse()
    let id = try house.enqueue(steps: Self.steps)
    try house.drain()
    #expect(try house.pictures(id) == Self.undisturbed())
    #expect(!house.words.contains("warning"), "\(house.words)")
    #expect(try house.client.workers().map(\.state) == [.stopped])
    // Its own numbers, and none of the queue's, which many machines would tell at once.
    #expect(house.metrics.contains("segmoe_images_total{worker=\"w\"} 2\n"), "\(house.metrics)")
    #expect(!house.metrics.contains("segmoe_jobs"))
  }

  /// Killed daemons leave a lease behind, which another waits for, or the next of their name frees.
  @Test(.enabled(if: FaultLibrary.isThere), arguments: [["w", "w", "w"], ["a", "b", "c"]])
  func killedDaemons(names: [String]) throws {
    let house = try ServerHouse()
    let id = try house.enqueue(steps: Self.steps)
    for (index, name) in names.enumerated() {
      let daemon = try house.daemon(name, leaseSeconds: 2, faults: ServerHouse.beforeEachState)
      // Further than the one before.
      try house.hold(daemon) { try house.saved(id, image: 0) >= 20 * (index + 1) }
      house.kill(daemon)
    }
    let last = try house.daemon("last", leaseSeconds: 2)
    try house.wait { try house.client.details(job: id).job.state == .done }
    last.terminate()
    last.waitUntilExit()
    #expect(try house.pictures(id) == Self.undisturbed())
    #expect(try house.client.details(job: id).events.contains { $0.kind == .lost })
    #expect(try house.client.details(job: id).job.losses == 0)
  }

  /// Two jobs side by side under one name, killed in the middle.
  @Test(.enabled(if: FaultLibrary.isThere)) func twoSideBySide() throws {
    let (one, several) = (try ServerHouse(), try ServerHouse())
    func enqueue(_ house: ServerHouse) throws -> [Int64] {
      try [3, 4].map { seed in try house.enqueue(steps: Self.steps) { $0.seed = seed } }
    }
    let (alone, beside) = (try enqueue(one), try enqueue(several))
    try one.drain()
    let daemon = try several.daemon(
      environment: ["SEGMOE_JOBS": "2"], faults: ServerHouse.beforeEachState)
    try several.hold(daemon) { try beside.allSatisfy { try several.saved($0, image: 0) >= 5 } }
    #expect(try several.client.status().counts.running == 2 && several.client.workers().count == 1)
    several.kill(daemon)
    let last = try several.daemon(drains: true, environment: ["SEGMOE_JOBS": "2"])
    last.waitUntilExit()
    #expect(last.terminationStatus == 0, "\(several.words)")
    #expect(try beside.map { try several.pictures($0) } == alone.map { try one.pictures($0) })
  }

  @Test(.enabled(if: FaultLibrary.isThere)) func aKilledServer() throws {
    let server = try PostgresServer()
    let house = try ServerHouse(on: server)
    let id = try house.enqueue(steps: Self.steps)
    let daemon = try house.daemon(drains: true, faults: ServerHouse.beforeEachState)
    for image in 0..<2 {
      try house.hold(daemon) { try (5..<Self.steps).contains(house.saved(id, image: image)) }
      try server.crash()
    }
    house.goOnToTheEnd(daemon)
    #expect(daemon.terminationStatus == 0, "\(house.words)")
    #expect(try house.pictures(id) == Self.undisturbed())
  }

  @Test(.enabled(if: FaultLibrary.isThere)) func aCancelledJobStops() throws {
    let house = try ServerHouse()
    let id = try house.enqueue(steps: 900)
    let daemon = try house.daemon(faults: ["send:socket~keep_state:4:stop"])
    try house.hold(daemon) { try house.saved(id, image: 0) >= 3 }
    #expect(try house.client.cancel(.job(id), discard: false).stopping == 1)
    HeldProcess(pid: daemon.processIdentifier).goOn()
    try house.wait { try house.client.details(job: id).job.state != .running }
    #expect(try house.client.details(job: id).job.state == .cancelled)
    // The daemon goes on with the next.
    let next = try house.enqueue(steps: 2)
    try house.wait { try !house.client.details(job: next).job.state.isOpen }
    #expect(try house.pictures(next).count == 2)
    daemon.terminate()
    daemon.waitUntilExit()
    #expect(daemon.terminationStatus == 0, "\(house.words)")
  }

  /// A daemon that stops gives its job back with its steps.
  @Test(.enabled(if: FaultLibrary.isThere)) func aStoppedDaemonGivesItsJobBack() throws {
    let house = try ServerHouse()
    let id = try house.enqueue(steps: Self.steps)
    let daemon = try house.daemon(faults: ServerHouse.beforeEachState)
    try house.hold(daemon) { try house.saved(id, image: 0) >= 3 }
    daemon.terminate()
    house.goOnToTheEnd(daemon)
    #expect(daemon.terminationStatus == 0, "\(house.words)")
    let job = try house.client.details(job: id).job
    #expect(job.state == .queued && job.attempts == 0)
    #expect(try house.saved(id, image: 0) >= 3)
    try house.drain()
    #expect(try house.pictures(id) == Self.undisturbed())
  }

  /// A job whose model no daemon has fails once that has been so for the set seconds; others go on meanwhile.
  @Test func aModelThatNobodyHas() throws {
    let house = try ServerHouse()
    let lost = try house.enqueue(steps: 2) { $0.model = "elsewhere" }
    let style = try house.enqueue(steps: 2) { $0.loras = [LoRAReference(path: "no-style")] }
    let daemon = try house.daemon(environment: ["SEGMOE_MODEL_PATIENCE": "3600"])
    let id = try house.enqueue(steps: 2)
    try house.wait { try !house.client.details(job: id).job.state.isOpen }
    #expect(try house.pictures(id).count == 2)
    try house.wait { try house.client.lackedModels().count == 2 }
    for job in [lost, style] {
      let job = try house.client.details(job: job).job
      #expect(job.state == .queued && job.attempts == 0)
      #expect(job.failure?.kind == .model)
    }
    daemon.terminate()
    daemon.waitUntilExit()
    #expect(daemon.terminationStatus == 0, "\(house.words)")
    let impatient = try house.daemon(environment: ["SEGMOE_MODEL_PATIENCE": "1"])
    try house.wait {
      try [lost, style].allSatisfy { try !house.client.details(job: $0).job.state.isOpen }
    }
    impatient.terminate()
    impatient.waitUntilExit()
    for (job, kind, what) in [
      (lost, FailureKind.model, "its model elsewhere"), (style, .badInput, "its file"),
    ] {
      let job = try house.client.details(job: job).job
      #expect(job.state == .failed && job.failure?.kind == kind)
      #expect(job.failure?.message.hasPrefix("no living worker has had \(what)") == true, "\(job)")
    }
  }

  /// Whoever drains waits for no other worker.
  @Test func aDrainWaitsForNoModel() throws {
    let house = try ServerHouse()
    let lost = try house.enqueue(steps: 2) { $0.model = "elsewhere" }
    let id = try house.enqueue(steps: 2)
    try house.drain(code: 1)
    #expect(try house.pictures(id).count == 2)
    #expect(try house.client.details(job: lost).job.state == .failed)
  }

  // MARK: - Several at once

  /// Jobs of one size that differ in much else, and one of another size in their midst.
  private static let several: [@Sendable (inout RenderRequest) -> Void] = [
    { ($0.scheduler, $0.seed) = (.ddpm, 1) },
    { ($0.scheduler, $0.seed, $0.eta, $0.count) = (.ddim, 2, 0.5, 2) },
    { ($0.scheduler, $0.width) = (.euler, 64) },
    { ($0.scheduler, $0.guidance) = (.euler, 1) },
    { ($0.scheduler, $0.negativePrompt) = (.dpmppSDE, "grey") },
  ]

  private func several(_ house: ServerHouse, steps: Int) throws -> [Int64] {
    // Each takes a step more than the one before, so that one ends while others are at work.
    try Self.several.enumerated().map { index, change in
      try house.enqueue(steps: steps + index) {
        $0.count = 1
        change(&$0)
      }
    }
  }

  /// The same jobs in a file, one after another.
  private func severalAlone(steps: Int) throws -> [[Data]] {
    let house = try DaemonHouse()
    let jobs = try Self.several.enumerated().map { index, change in
      try house.enqueue(attempts: 50) {
        ($0.width, $0.height, $0.steps, $0.seed) = (96, 96, steps + index, 3)
        change(&$0)
      }
    }
    try house.worker(coalesce: 1).run()
    return try jobs.map { job in
      try house.client.details(job: job).images.map {
        try Data(contentsOf: URL(fileURLWithPath: $0.path))
      }
    }
  }

  @Test(arguments: [2, 4, 7]) func severalTogetherAreThePicturesOfAFile(limit: Int) throws {
    let house = try ServerHouse()
    let jobs = try several(house, steps: 4)
    try house.drain(["--coalesce", "\(limit)"])
    #expect(try jobs.map { try house.pictures($0) } == severalAlone(steps: 4))
    // The last job, of the first one's size, is claimed before the third, of another size: so they did go together.
    let claims = try PostgresServer.sql(
      at: house.address, "SELECT job FROM events WHERE what = 'claimed' ORDER BY id")
    #expect(claims == ["1", "2", "4", "5", "3"])
  }

  /// A daemon that is killed with several jobs at work: another goes on with each of them.
  @Test(.enabled(if: FaultLibrary.isThere)) func aKilledDaemonWithSeveralJobs() throws {
    let house = try ServerHouse()
    let jobs = try several(house, steps: Self.steps)
    let daemon = try house.daemon(
      "first", leaseSeconds: 2, ["--coalesce", "4"], faults: ServerHouse.beforeEachState)
    let together = [jobs[0], jobs[1]]
    try house.hold(daemon) { try together.allSatisfy { try house.saved($0, image: 0) >= 10 } }
    #expect(try house.client.list(JobFilter()).filter { $0.state == .running }.count >= 2)
    house.kill(daemon)
    let last = try house.daemon("last", leaseSeconds: 2, ["--coalesce", "4"])
    try house.wait { try jobs.allSatisfy { try !house.client.details(job: $0).job.state.isOpen } }
    last.terminate()
    last.waitUntilExit()
    #expect(try jobs.map { try house.pictures($0) } == severalAlone(steps: Self.steps))
    for job in together {
      #expect(try house.client.details(job: job).events.contains { $0.kind == .lost })
    }
  }
}
