import Foundation
import GRDB
import JobStore
import Testing

/// A daemon that is asked to stop is gone within five seconds, whatever it is at, and leaves its job to be
/// gone on with.
@Suite(.serialized) struct StopTests {
  private func stop(_ daemon: RealDaemon) -> Double {
    let begun = Date()
    #expect(daemon.stop() == 0, "\(daemon.account)")
    return -begun.timeIntervalSinceNow
  }

  /// A step that takes longer than the stop may: what was done before it is kept, though no checkpoint was
  /// due, and the job is queued again without a lost attempt.
  @Test func inTheMiddleOfALongStep() throws {
    let house = try DaemonHouse()
    let id = try house.enqueue {
      $0.steps = 3
      $0.width = Self.longSide
      $0.height = Self.longSide
    }
    let daemon = try RealDaemon(house, checkpointSteps: 1000)
    try house.wait(seconds: 120) { try house.client.details(job: id).summary.step >= 1 }
    #expect(stop(daemon) < 5)
    #expect(daemon.words.contains("in the middle of a step"), "steps are too quick here: make them longer")
    let job = try house.job(id)
    #expect(job.state == .queued && job.attempts == 0 && job.losses == 0, "\(job)")
    guard case .step(let step, _, _) = try house.client.checkpoint(job: id, index: 0) else {
      Issue.record("nothing was kept: \(daemon.account)")
      return
    }
    #expect(step >= 1)
    #expect(try house.client.workers().first?.state == .stopped)
  }

  /// Pixels: a step takes more than the three seconds after which the daemon no longer waits for it, which the
  /// test looks at.
  private static let longSide = 1280

  /// Somebody holds the queue's write lock for longer than that: then the job's lease must run out.
  @Test func whileTheQueueIsLocked() throws {
    let house = try DaemonHouse()
    let id = try house.enqueue { $0.steps = 900 }
    let daemon = try RealDaemon(house, leaseSeconds: 1)
    try house.wait { try house.client.details(job: id).summary.step >= 1 }
    try house.sqlite().write { db in
      try db.execute(sql: "UPDATE queue SET paused = 1")
      #expect(stop(daemon) < 5)
      try db.execute(sql: "UPDATE queue SET paused = 0")
    }
    _ = try house.client.cancel(job: id)
    try house.wait {
      try RealDaemon(house, drain: true).end() == 0 && house.job(id).state == .cancelled
    }
    try QueueAccount.expectInOrder(house, "")
  }

  /// The disk does not answer.
  @Test(.enabled(if: FaultLibrary.isThere)) func whileTheDiskHangs() throws {
    let house = try DaemonHouse()
    let id = try house.enqueue()
    let daemon = try RealDaemon(house, leaseSeconds: 1, faults: ["sync:.png.tmp-:1:hang"])
    try house.wait { daemon.wasStruck }
    #expect(stop(daemon) < 5)
    #expect(try RealDaemon(house, drain: true).end() == 0)
    #expect(try house.job(id).state == .done)
    try QueueAccount.expectInOrder(house, "")
  }
}
