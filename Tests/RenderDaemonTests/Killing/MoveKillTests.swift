import Foundation
import JobStore
import TestSupport
import Testing

/// `segmoectl move`, killed in the middle.
@Suite struct MoveKillTests {
  /// A client that is killed, before or after any of its commits, leaves one queue, or for a moment none; another move
  /// ends it. There are some more places than commits.
  @Test(
    .enabled(if: FaultLibrary.isThere),
    arguments: (1...14).flatMap { ["sync:-wal:\($0):kill", "sync:-wal:\($0):after"] } + [
      "write:-wal:7:half", "write:-wal:60:kill", "write:-wal:130:half",
    ])
  func killedAnywhere(rule: String) throws {
    let house = try DaemonHouse()
    let ids = try (0..<3).map { try house.enqueue("prompt \($0)") }
    let target = house.folder + "/moved.sqlite"
    let arguments = ["move", "--from", house.client.path, "--to", target]
    let first = try RealClient.run(house, arguments, faults: [rule])
    #expect(first.wasKilled != (first.answer != nil), "\(first)")
    // Whoever can be opened and has the jobs.
    let usable = [house.client.path, target].filter { path in
      (try? QueueClient.open(path: path, for: .reading).status().counts.queued) == ids.count
    }
    #expect(usable.count <= 1)
    if first.wasKilled {
      let again = try RealClient.run(house, arguments)
      // Killed after its last step, it had ended all the same: then the old queue says where it went.
      #expect(
        again.answer.map { $0.hasPrefix("3 jobs moved") && !$0.contains("paused") }
          ?? again.error.contains("was moved to \(target)"), "\(again)")
    }
    #expect(try QueueClient.open(path: target).list().map(\.id) == ids)
    #expect(throws: JobStoreError.moved(path: house.client.path, to: target)) {
      _ = try QueueClient.open(path: house.client.path)
    }
  }
}
