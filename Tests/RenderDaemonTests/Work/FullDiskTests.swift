import Foundation
import GRDB
import JobStore
import TestSupport
import Testing

/// A disk that is full, or not there to be written for a while, holds the daemon up. It does not burn the queue:
/// none of these jobs has a second attempt.
@Suite(.serialized) struct FullDiskTests {
  /// A file system of its own for pictures, with next to no room; nil where this user may not mount.
  private final class SmallDisk {
    private let path: String

    init?(_ path: String) throws {
      self.path = path
      try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
      guard mount("none", path, "tmpfs", 0, "size=8k") == 0 else {
        print("FullDiskTests: mounting is not allowed here; not tested")
        return nil
      }
    }

    deinit { umount2(path, Int32(MNT_DETACH)) }

    func grow() { #expect(mount("none", path, "tmpfs", UInt(MS_REMOUNT), "size=4m") == 0) }
  }

  /// A picture that is larger than the disk.
  private func enqueue(_ house: DaemonHouse) throws -> Int64 {
    try house.enqueue {
      $0.width = 128
      $0.height = 128
    }
  }

  private func waitUntilStuck(_ house: DaemonHouse, _ id: Int64) throws {
    try house.wait {
      let job = try house.job(id)
      // One that was given back still says what it waited for.
      return job.state == .running && job.failure?.message.contains("full") == true
    }
  }

  @Test(.enabled(if: geteuid() == 0)) func aPictureWaitsForRoom() throws {
    let house = try DaemonHouse()
    guard let disk = try SmallDisk(house.output) else { return }
    let jobs = try (0..<2).map { _ in try enqueue(house) }
    let daemon = try RealDaemon(house, leaseSeconds: 1)
    try waitUntilStuck(house, jobs[0])
    // Longer than the lease.
    Thread.sleep(forTimeInterval: 1.5)
    #expect(try house.job(jobs[0]).state == .running && house.job(jobs[1]).state == .queued)
    disk.grow()
    try house.wait { try house.client.status().counts.done == 2 && house.haveTaken(4) }
    #expect(daemon.stop() == 0)
    #expect(try house.stepsTaken() == 4)
    try QueueAccount.expectInOrder(house, accepted: [jobs[0]...jobs[1]], "")
  }

  /// Given back with all of its steps, or ended at once: nobody has to wait for room to stop or cancel.
  @Test(.enabled(if: geteuid() == 0)) func whileItWaitsItCanBeStoppedAndCancelled() throws {
    let house = try DaemonHouse()
    guard let disk = try SmallDisk(house.output) else { return }
    let id = try enqueue(house)
    let first = try RealDaemon(house)
    try waitUntilStuck(house, id)
    #expect(first.stop() == 0)
    let job = try house.job(id)
    #expect(job.state == .queued && job.attempts == 0)
    guard case .step(2, _, _) = try house.client.checkpoint(job: id, index: 0) else {
      Issue.record("\(String(describing: try house.client.checkpoint(job: id, index: 0)))")
      return
    }
    let second = try RealDaemon(house)
    try waitUntilStuck(house, id)
    _ = try house.client.cancel(job: id)
    try house.wait { try house.job(id).state == .cancelled }
    disk.grow()
    let next = try enqueue(house)
    try house.wait { try house.job(next).state == .done && house.haveTaken(2) }
    #expect(second.stop() == 0)
    // Of the second job alone: the first had its steps done already.
    #expect(try house.stepsTaken() == 2)
    try QueueAccount.expectInOrder(house, "")
  }

  /// The log of the queue, the database and pictures: whatever finds no room in between.
  @Test(
    .enabled(if: FaultLibrary.isThere),
    arguments: [
      ["write:.png.tmp-:1-2:ENOSPC"], ["rename:.png$:1:ENOSPC"], ["write:-wal:25-60:ENOSPC"],
      ["write:-wal:10-30:EIO"], ["write:-wal~doneimages:1-2:EIO"], ["write:-wal~SGMCHK:1+:ENOSPC"],
      ["write:queue.sqlite$:1-3:ENOSPC"],
    ])
  func aFullDiskCostsNoAttempt(rules: [String]) throws {
    let house = try DaemonHouse()
    // The log is copied back to the database file only after some hundred pages.
    let count: Int64 = rules[0].contains("queue.sqlite") ? 24 : 4
    for _ in 0..<count { try house.enqueue { $0.steps = 30 } }
    let daemon = try RealDaemon(house, faults: rules)
    try house.wait { try house.client.status().counts.open == 0 || !daemon.isRunning }
    #expect(daemon.wasStruck)
    #expect(daemon.stop() == 0, "\(daemon.account)")
    let account = try QueueAccount.expectInOrder(house, accepted: [1...count], "\(rules)")
    #expect(account.counts.done == Int(count), "\(daemon.account)")
  }

  /// Somebody keeps the write lock, as a person at sqlite3 may: the picture goes on, its step is said later.
  @Test(.enabled(if: FaultLibrary.isThere)) func aLockedQueueDoesNotEndARender() throws {
    let house = try DaemonHouse()
    let id = try house.enqueue { $0.steps = 300 }
    // It stands in the middle of the job until the lock is somebody else's.
    let daemon = try RealDaemon(house, faults: ["write:-wal~SGMCHK:2:stop"])
    try house.wait { daemon.held.isStopped }
    try daemon.freeQueue(of: house)
    try house.sqlite().write { db in
      try db.execute(sql: "UPDATE queue SET paused = 1")
      daemon.held.goOn()
      // Longer than anybody waits for the lock.
      Thread.sleep(forTimeInterval: 33)
      try db.execute(sql: "UPDATE queue SET paused = 0")
    }
    try house.wait { try house.job(id).state == .done }
    #expect(try house.job(id).attempts == 1)
    #expect(daemon.stop() == 0)
  }

  /// The folder's disk is not mounted, say: it burns no attempts, and the picture waits.
  @Test func anOutputFolderThatCannotBeUsedForAWhile() throws {
    let house = try DaemonHouse()
    try Data("a file".utf8).write(to: URL(fileURLWithPath: house.output))
    let ids = try (0..<2).map { _ in try house.enqueue() }
    let daemon = try RealDaemon(house)
    try house.wait {
      try house.job(ids[0]).failure?.message.contains("output folder \(house.output)") == true
    }
    #expect(try house.job(ids[0]).state == .running && house.job(ids[1]).state == .queued)
    try FileManager.default.removeItem(atPath: house.output)
    try house.wait { try house.client.status().counts.done == 2 }
    #expect(daemon.stop() == 0)
    #expect(try ids.allSatisfy { try house.job($0).attempts == 1 })
  }

  /// Retention takes a batch's folder with the last picture in it, and somebody may tidy up: it comes back.
  @Test(.enabled(if: FaultLibrary.isThere)) func aFolderThatIsRemovedMeanwhileIsMadeAgain() throws {
    let house = try DaemonHouse()
    let id = try house.enqueue { $0.steps = 300 }
    let daemon = try RealDaemon(house, faults: ["write:-wal~SGMCHK:3:stop"])
    try house.wait { daemon.held.isStopped }
    try FileManager.default.removeItem(atPath: house.output)
    daemon.held.goOn()
    try house.wait { try house.job(id).state == .done }
    #expect(house.files() == ["1/\(id)-0.png"])
    #expect(daemon.stop() == 0)
  }
}
