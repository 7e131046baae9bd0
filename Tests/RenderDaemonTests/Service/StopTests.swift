import Foundation
import GRDB
import JobStore
import TestSupport
import Testing

/// A daemon that is asked to stop is soon gone, whatever it is at: it waits neither for the step, nor for the lock, nor for the
/// disk. It leaves its job to be gone on with.
@Suite(.serialized) struct StopTests {
  /// A step that takes longer than the stop may: what was done before it is kept, though no checkpoint was
  /// due, and the job is queued again without a lost attempt.
  @Test(.enabled(if: FaultLibrary.isThere)) func inTheMiddleOfALongStep() throws {
    let house = try DaemonHouse()
    let id = try house.enqueue {
      $0.steps = 3
      $0.width = Self.longSide
      $0.height = Self.longSide
    }
    // It stands still when the first step is taken and it says so; it has begun the second.
    let daemon = try RealDaemon(house, checkpointSteps: 1000, faults: ["write:-wal~denoising:2:stop"])
    try house.wait { daemon.held.isStopped }
    daemon.askToStop()
    daemon.held.goOn()
    #expect(daemon.end() == 0, "\(daemon.account)")
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
    // More than it renders until then.
    let id = try house.enqueue {
      $0.steps = 900
      $0.count = 50
    }
    let daemon = try RealDaemon(house, leaseSeconds: 1)
    try house.wait { try house.client.details(job: id).summary.step >= 1 }
    try house.sqlite().write { db in
      try db.execute(sql: "UPDATE queue SET paused = 1")
      #expect(daemon.stop() == 0, "\(daemon.account)")
      try db.execute(sql: "UPDATE queue SET paused = 0")
    }
    _ = try house.client.cancel(job: id)
    try house.wait {
      try RealDaemon(house, drain: true).end() == 0 && house.job(id).state == .cancelled
    }
    try QueueAccount.expectInOrder(house, "")
  }

  /// The disk does not answer any more.
  @Test(.enabled(if: FaultLibrary.isThere)) func whileTheDiskHangs() throws {
    let house = try DaemonHouse()
    let id = try house.enqueue()
    let daemon = try RealDaemon(house, leaseSeconds: 1, faults: ["sync:.png.tmp-:1:hang"])
    try house.wait { daemon.wasStruck }
    #expect(daemon.stop() == 0, "\(daemon.account)")
    #expect(try RealDaemon(house, drain: true).end() == 0)
    #expect(try house.job(id).state == .done)
    try QueueAccount.expectInOrder(house, "")
  }
}
