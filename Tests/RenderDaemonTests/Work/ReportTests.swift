import Foundation
import GRDB
import JobStore
import TestSupport
import Testing

/// Rendering never waits for the queue: a thread of its own writes what it says.
@Suite(.serialized) struct ReportTests {
  private static let steps = 200
  /// Seconds. A daemon that a busy machine keeps from renewing for that long loses its job rightly.
  private static let lease = 20

  private func enqueue(_ house: DaemonHouse, count: Int = 3) throws -> Int64 {
    try house.enqueue {
      $0.steps = Self.steps
      $0.count = count
      $0.seed = 4
    }
  }

  private func pictures(_ house: DaemonHouse, _ id: Int64) throws -> [Data] {
    try house.client.details(job: id).images.map { try Data(contentsOf: URL(fileURLWithPath: $0.path)) }
  }

  /// Somebody keeps the write lock until every step of every picture is taken. Nothing could be written meanwhile, not
  /// the row of the first picture either, and the lease ran out. Another daemon waits for work.
  @Test(.enabled(if: FaultLibrary.isThere)) func allStepsAreTakenWhileTheQueueIsLocked() throws {
    let quiet = try DaemonHouse()
    let undisturbed = try enqueue(quiet)
    try quiet.worker().run()

    let house = try DaemonHouse()
    // Both stand still until the lock is somebody else's: the one waits for work, the other is in the middle of it.
    let idle = try RealDaemon(
      house, worker: "idle", leaseSeconds: Self.lease, metrics: house.folder + "/idle.prom")
    try house.wait { try house.client.workers().contains { $0.name == "idle" } }
    try house.sqlite().write { _ in
      idle.held.stop()
      try house.wait { idle.held.isStopped }
    }
    let id = try enqueue(house)
    let daemon = try RealDaemon(house, leaseSeconds: Self.lease, faults: ["write:-wal~SGMCHK:2:stop"])
    try house.wait { daemon.held.isStopped }
    try daemon.freeQueue(of: house)
    try house.sqlite().write { db in
      try db.execute(sql: "UPDATE queue SET paused = 1")
      daemon.held.goOn()
      idle.held.goOn()
      let before = try house.client.details(job: id).summary.step
      #expect(before < 3 * Self.steps)
      // Nobody lets go before that.
      let expires = try #require(try house.job(id).tenure).leaseExpires
      try house.wait { try house.haveTaken(3 * Self.steps) && Date().milliseconds > expires }
      // He has waited for so long that he forgives.
      try house.wait { idle.words.contains("cannot renew the leases") }
      Thread.sleep(forTimeInterval: Double(Self.lease) / 4)
      #expect(try house.client.details(job: id).summary.step <= before + 2)
      #expect(house.files().isEmpty)
      try db.execute(sql: "UPDATE queue SET paused = 0")
    }
    try house.wait { try house.job(id).state == .done }
    let details = try house.client.details(job: id)
    #expect(details.job.attempts == 1 && details.job.losses == 0, "\(details.job)")
    #expect(details.events.count { $0.kind == .claimed } == 1)
    #expect(try pictures(house, id) == pictures(quiet, undisturbed))
    #expect(daemon.stop() == 0 && idle.stop() == 0)
    #expect(try house.stepsTaken() == 3 * Self.steps)
    try QueueAccount.expectInOrder(house, accepted: [id...id], "")
  }

  /// Killed while nothing could be written for long: the job goes on from what was written before, and is done once.
  @Test(.enabled(if: FaultLibrary.isThere)) func aDaemonThatDiesBehindALockLosesNoPicture() throws {
    let house = try DaemonHouse()
    let id = try enqueue(house)
    let daemon = try RealDaemon(house, faults: ["write:-wal~SGMCHK:2:stop"])
    try house.wait { daemon.held.isStopped }
    try daemon.freeQueue(of: house)
    try house.sqlite().write { db in
      try db.execute(sql: "UPDATE queue SET paused = 1")
      daemon.held.goOn()
      try house.wait { try house.haveTaken(Self.steps + 1) }
      daemon.kill()
      try db.execute(sql: "UPDATE queue SET paused = 0")
    }
    #expect(try RealDaemon(house, drain: true).end() == 0)
    let quiet = try DaemonHouse()
    let undisturbed = try enqueue(quiet)
    try quiet.worker().run()
    #expect(try pictures(house, id) == pictures(quiet, undisturbed))
    try QueueAccount.expectInOrder(house, accepted: [id...id], "")
  }

  /// A lock that comes and goes, for longer and shorter than a lease, while two daemons work: nobody's job is taken from
  /// him, because whoever waited forgives.
  @Test func aLockThatComesAndGoesTakesNoJobAway() throws {
    let house = try DaemonHouse()
    let daemons = try ["one", "two"].map {
      try RealDaemon(house, worker: $0, leaseSeconds: Self.lease, metrics: house.folder + "/\($0).prom")
    }
    try house.wait { try house.client.workers().count == 2 }
    // The first two last until both are at work.
    let jobs = try [15, 15, 2, 2, 2, 2].map { try enqueue(house, count: $0) }
    try house.wait { try house.client.status().counts.running == 2 }
    // Not for longer than anybody waits for the lock.
    let holder = try LockHolder(path: house.client.path, lease: Double(Self.lease), longest: 1.4, seed: 3)
    try house.wait { try house.client.status().counts.open == 0 }
    let held = holder.end()
    #expect(held.longHolds > 0)
    for daemon in daemons { #expect(daemon.stop() == 0) }
    for id in jobs {
      let details = try house.client.details(job: id)
      #expect(details.job.state == .done && !details.events.contains { $0.kind == .lost }, "\(details)")
    }
    try QueueAccount.expectInOrder(house, accepted: [jobs[0]...jobs[5]], "")
  }

  /// The lease is lost, or the job cancelled, while it renders: the thread that reports hears of it, and the render
  /// stops.
  @Test(arguments: [true, false]) func whatTheQueueAnswersStopsTheRender(isCancelled: Bool) throws {
    let house = try DaemonHouse()
    let id = try house.enqueue {
      $0.steps = 900
      $0.count = 50
    }
    let daemon = try RealDaemon(house)
    try house.wait { try house.client.details(job: id).summary.step >= 1 }
    if isCancelled {
      _ = try house.client.cancel(job: id)
    } else {
      try house.sqlite().write { db in
        try db.execute(
          sql: """
            UPDATE jobs SET state = 'failed', lease_owner = NULL, lease_expires = NULL, finished_at = 1
            """)
      }
    }
    let next = try house.enqueue()
    try house.wait { try house.job(next).state == .done }
    #expect(try house.job(id).state == (isCancelled ? .cancelled : .failed))
    #expect(daemon.stop() == 0)
    #expect(try house.stepsTaken() < 45_000)
  }

  /// The disk of the pictures is full: the next ones are rendered meanwhile, and all are there when it has room.
  @Test(.enabled(if: geteuid() == 0)) func whileAPictureWaitsForRoomTheNextIsRendered() throws {
    let house = try DaemonHouse()
    try FileManager.default.createDirectory(atPath: house.output, withIntermediateDirectories: true)
    guard mount("none", house.output, "tmpfs", 0, "size=8k") == 0 else {
      print("whileAPictureWaitsForRoomTheNextIsRendered: mounting is not allowed here; not tested")
      return
    }
    defer { umount2(house.output, Int32(MNT_DETACH)) }
    let id = try house.enqueue {
      ($0.width, $0.height) = (128, 128)
      $0.steps = 5
      $0.count = 4
    }
    let daemon = try RealDaemon(house)
    try house.wait { try house.job(id).failure?.message.contains("full") == true }
    try house.wait { try house.stepsTaken() == 20 }
    #expect(mount("none", house.output, "tmpfs", UInt(MS_REMOUNT), "size=4m") == 0)
    try house.wait { try house.job(id).state == .done }
    #expect(try house.job(id).attempts == 1)
    #expect(daemon.stop() == 0)
    try QueueAccount.expectInOrder(house, accepted: [id...id], "")
  }
}
