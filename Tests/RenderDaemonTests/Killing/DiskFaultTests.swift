import Foundation
import JobStore
import TestSupport
import Testing

/// Disks that fail, fill up or hang: daemons live on, and nothing is lost or left behind.
@Suite(.serialized) struct DiskFaultTests {
  /// Jobs with enough attempts to outlast what is coming.
  private func enqueue(_ house: DaemonHouse, jobs: Int = 6) throws -> [ClosedRange<Int64>] {
    try (0..<jobs).map { number in
      let job = try house.enqueue("prompt \(number)", attempts: 20) {
        $0.count = 2
        $0.steps = 30
      }
      return job...job
    }
  }

  private func drain(_ house: DaemonHouse) throws {
    let end = Patience.end
    repeat {
      try #require(Date() < end, "waited too long for the queue to drain")
      // Whose worker stopped without a word must wait for its lease, whose disk failed for its pause.
      for job in try house.client.list() where job.runAfter != nil { try? house.client.retry(job: job.id) }
      try RealDaemon.drain(house, worker: "last")
    } while try house.client.status().counts.open > 0
  }

  @Test(
    .enabled(if: FaultLibrary.isThere),
    arguments: [
      ["sync:-wal:4-8:EIO"], ["sync:-wal:3:EIO", "sync:-wal:6:EIO", "sync:-wal:9:EIO"],
      ["write:-wal:10-14:EIO"], ["write:-wal:25-60:ENOSPC"], ["write:-wal~claimed:1-2:ENOSPC"],
      ["write:-wal~doneimages:1-2:EIO"], ["write:-wal~SGMCHK:1+:ENOSPC"], ["write:-wal:5+:short"],
      // A quota says it with another word.
      ["write:-wal:25-60:EDQUOT"], ["write:.png.tmp-:1-2:EDQUOT"],
      ["write:queue.sqlite$:1-3:EIO"], ["sync:queue.sqlite$:1-2:EIO"],
      ["write:.png.tmp-:1-2:ENOSPC"], ["write:.png.tmp-:2:EIO", "write:.png.tmp-:4+:short"],
      ["sync:.png.tmp-:1-2:EIO"], ["rename:.png$:1:EIO", "rename:.png$:3:ENOSPC"],
      // The folder: the second sync below the output folder of every picture.
      ["sync:/out/1:2:EIO", "sync:/out/1:4:EIO"], ["rename:.prom$:1+:ENOSPC"],
      // Weights: while their digest is made, while the model opens, while a step needs them.
      ["read:/unet/:2:EIO"], ["read:/unet/:12:EIO", "read:/unet/:40:EIO"], ["read:/vae/:1+:short"],
      ["read:/unet/:60:EIO", "read:/text_encoder/:9:EIO"],
    ])
  func aFailingDiskLosesNothing(rules: [String]) throws {
    let house = try DaemonHouse()
    // The log is copied back to the database file only after a thousand pages.
    let accepted = try enqueue(house, jobs: rules[0].contains("queue.sqlite") ? 24 : 6)
    let daemon = try RealDaemon(house, worker: "first", leaseSeconds: 1, faults: rules)
    // It goes on as long as there is something to do, and that it can do something with.
    try house.wait {
      let counts = try house.client.status().counts
      return !daemon.isRunning || counts.open == 0 || counts.running == 0 && counts.done > 2
    }
    #expect(daemon.wasStruck)
    #expect(daemon.isRunning, "\(rules): \(daemon.account)")
    #expect(daemon.stop() == 0, "\(daemon.account)")
    try drain(house)
    let account = try QueueAccount.expectInOrder(house, accepted: accepted, "\(rules)")
    #expect(account.counts.done == accepted.count && account.pictures == 2 * accepted.count)
  }

  /// A file system for queue and pictures with no room left, then with some again.
  @Test(.enabled(if: FaultLibrary.isThere && geteuid() == 0)) func aFullDiskLosesNothing() throws {
    let place = try TemporaryFolder("disk")
    let disk = place.file("disk")
    defer { withExtendedLifetime(place) {} }
    guard mount("none", disk, "tmpfs", 0, "size=4m") == 0 else {
      print("aFullDiskLosesNothing: mounting is not allowed here; not tested")
      return
    }
    defer { umount2(disk, Int32(MNT_DETACH)) }
    let house = try DaemonHouse(on: disk)
    var accepted = try enqueue(house, jobs: 12)
    let daemon = try RealDaemon(house, worker: "first", leaseSeconds: 1)
    try house.wait { try house.client.status().counts.done > 1 }
    for _ in 0..<6 {
      let filler = fill(disk)
      // A client is told, or there was still room: what it was told holds.
      if let job = try? house.enqueue("while it is full", attempts: 20) { accepted.append(job...job) }
      Thread.sleep(forTimeInterval: 0.7)
      #expect(daemon.isRunning, "\(daemon.account)")
      unlink(filler)
      for job in try house.client.list() where job.runAfter != nil { try? house.client.retry(job: job.id) }
      Thread.sleep(forTimeInterval: 0.2)
    }
    #expect(daemon.stop() == 0, "\(daemon.account)")
    try drain(house)
    let account = try QueueAccount.expectInOrder(house, accepted: accepted, "")
    #expect(account.counts.done == accepted.count)
  }

  /// - Returns: a file that takes all the room.
  private func fill(_ disk: String) -> String {
    let path = disk + "/filler"
    let descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0o600)
    let block = [UInt8](repeating: 0, count: 4096)
    while write(descriptor, block, block.count) > 0 {}
    close(descriptor)
    return path
  }
}
