import Foundation
import GRDB
import JobStore
import TestSupport
import Testing

/// The daemon as a service manager, an administrator and time itself treat it.
@Suite(.serialized) struct ServiceTests {
  /// What systemd hears from the real program, from the first word to the last.
  @Test func tellsItsWholeLife() throws {
    let (house, socket) = (try DaemonHouse(), try NotifySocket())
    let daemon = try RealDaemon(
      house, environment: ["NOTIFY_SOCKET": socket.name, "WATCHDOG_USEC": "400000"])
    let opening = try #require(socket.receive())
    let wanted = opening.split(separator: "\n").first { $0.hasPrefix("EXTEND_TIMEOUT_USEC=") }
    #expect(try #require(wanted.flatMap { Int($0.dropFirst(20)) }) >= 60_000_000)
    #expect(socket.receive()?.hasPrefix("READY=1") == true)
    daemon.askToReload()
    let reloading = try #require(socket.receive(until: "RELOADING=1").last)
    #expect(reloading.contains("\nMONOTONIC_USEC="))
    #expect(socket.receive(until: "READY=1").last == "READY=1")
    // More than it renders until then.
    let id = try house.enqueue {
      $0.steps = 900
      $0.count = 50
    }
    #expect(socket.receive(until: "STATUS=job \(id), denoising").last?.contains("WATCHDOG=1") == true)
    daemon.askToStop()
    #expect(socket.receive(until: "STOPPING=1").last?.contains("STOPPING=1") == true)
    #expect(daemon.end() == 0)
  }

  /// A configuration that is wrong at a reload changes nothing; a right one counts from the next job on.
  @Test func aWrongConfigurationAtAReloadChangesNothing() throws {
    let house = try DaemonHouse()
    let file = house.logs + "/config.yaml"
    func write(_ text: String) throws { try text.write(toFile: file, atomically: true, encoding: .utf8) }
    func end(side: Int) throws -> JobState {
      let id = try house.enqueue {
        $0.width = side
        $0.height = side
      }
      try house.wait { try !house.job(id).state.isOpen }
      return try house.job(id).state
    }
    try write("limits: {side: 64}\n")
    let daemon = try RealDaemon(house, arguments: ["--config", file])
    #expect(try end(side: 64) == .done && end(side: 72) == .failed)
    try write("limits: {side: 72}\nthreads: many\n")
    daemon.askToReload()
    try house.wait { daemon.words.contains("stays as it was") }
    #expect(daemon.words.contains("config.yaml:2"))
    #expect(try end(side: 72) == .failed)
    // Nor does one that is well written, and names what is not there.
    try write("limits: {side: 72}\ninputs: [\(house.folder)/gone]\n")
    daemon.askToReload()
    try house.wait { daemon.words.contains("gone is not there") }
    #expect(try end(side: 72) == .failed)
    try write("limits: {side: 72}\n")
    daemon.askToReload()
    try house.wait { daemon.words.contains("read again") }
    #expect(try end(side: 72) == .done)
    #expect(daemon.stop() == 0)
  }

  /// Idle or at work: it ends, and says why, instead of serving a file that nobody sees.
  @Test(arguments: [false, true]) func aQueueThatIsMovedAwayEndsIt(isBusy: Bool) throws {
    let house = try DaemonHouse()
    let daemon = try RealDaemon(house)
    if isBusy {
      for _ in 0..<1000 { try house.enqueue { $0.steps = 30 } }
      try house.wait { try house.client.status().counts.running > 0 }
    } else {
      try house.wait { try !house.client.workers().isEmpty }
    }
    try FileManager.default.moveItem(atPath: house.client.path, toPath: house.client.path + ".old")
    #expect(daemon.end() == 69)
    #expect(daemon.words.contains("no longer the file"))
  }

  @Test func aQueueThatIsMigratedMeanwhileEndsIt() throws {
    let house = try DaemonHouse()
    let daemon = try RealDaemon(house)
    try house.wait { try !house.client.workers().isEmpty }
    try house.sqlite().write { try $0.execute(sql: "PRAGMA user_version = 99") }
    #expect(daemon.end() == 69)
    #expect(daemon.words.contains("upgrade"))
  }

  /// Nobody waits a minute for its heartbeat to age, neither `status` nor who waits for pictures.
  @Test func aKilledDaemonIsGoneAtOnce() throws {
    let house = try DaemonHouse()
    let daemon = try RealDaemon(house, worker: "one")
    try house.wait { try house.client.workers().contains { $0.isAlive(now: Date().milliseconds) } }
    #expect(try RealClient.run(house, ["status"]).answer?.contains("segmoed one: idle") == true)
    daemon.kill()
    #expect(try !house.client.workers().contains { $0.isAlive(now: Date().milliseconds) })
    #expect(try RealClient.run(house, ["status"]).answer == nil, "status ends with 0")
    let enqueued = try RealClient.run(house, ["enqueue", "a fox", "--model", house.model])
    #expect(enqueued.error.contains("no segmoed works"), "\(enqueued)")
  }

  /// A daemon that stood still for so long that another took its name ends when it wakes.
  @Test func whoWasTakenForDeadEnds() throws {
    let house = try DaemonHouse()
    let first = try RealDaemon(house, worker: "one")
    try house.wait { try !house.client.workers().isEmpty }
    try house.sqlite().write { db in
      // Not in the middle of a write: the lock is held here.
      first.held.stop()
      try house.wait { first.held.isStopped }
      try db.execute(sql: "UPDATE workers SET heartbeat_at = heartbeat_at - 61000")
    }
    let second = try RealDaemon(house, worker: "one", metrics: house.folder + "/second.prom")
    try house.wait { try house.client.workers().first?.pid == Int(second.held.pid) }
    first.held.goOn()
    #expect(first.end() == 69)
    #expect(first.words.contains("a daemon named one is alive"))
    let id = try house.enqueue()
    try house.wait { try house.job(id).state == .done }
    #expect(second.stop() == 0)
  }

  /// Leases are renewed while a step takes longer than they last: this one never ends, because its disk does not answer.
  @Test(.enabled(if: FaultLibrary.isThere)) func aLongStepLosesNoLease() throws {
    let house = try DaemonHouse()
    let id = try house.enqueue { $0.steps = 20 }
    // It is renewed three times as often: a daemon that comes late by half a minute does not lose it.
    let lease = 60
    let daemon = try RealDaemon(house, leaseSeconds: lease, faults: ["read:/unet/:80:hang"])
    try house.wait { daemon.wasStruck }
    let first = try #require(try house.job(id).tenure).leaseExpires
    let other = try house.session("other", leaseSeconds: Double(lease))
    // Until it is renewed after it would have run out.
    try house.wait {
      if try other.claim() != nil { Issue.record("it was taken away") }
      let renewed = try #require(try house.job(id).tenure).leaseExpires
      return renewed > first + Milliseconds(lease) * 1000
    }
    let job = try house.job(id)
    #expect(job.state == .running && job.losses == 0 && job.attempts == 1, "\(job)")
    #expect(daemon.stop() == 0, "\(daemon.account)")
  }
}
