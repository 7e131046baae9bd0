import Foundation
import JobStore
import Logging
import RenderDaemon
import Requests
import TestSupport
import Testing

/// Jobs whose daemon stopped or died go on where they were, and end in the same bytes.
@Suite struct ResumeTests {
  private static let steps = 30
  /// So many that the second picture is not over while the first one is written, on a machine as busy as may be.
  private static let manySteps = 300

  /// The same job, with the same number, in every house.
  private func enqueue(
    _ house: DaemonHouse, _ scheduler: SchedulerName, steps: Int = steps
  ) throws -> Int64 {
    try house.enqueue(attempts: 50) {
      $0.scheduler = scheduler
      $0.steps = steps
      $0.count = 2
      $0.seed = 3
      $0.width = 96
      $0.height = 96
    }
  }

  private func undisturbed(_ scheduler: SchedulerName, steps: Int = steps) throws -> [Data] {
    let house = try DaemonHouse()
    let id = try enqueue(house, scheduler, steps: steps)
    try house.worker().run()
    return try pictures(house, id)
  }

  /// The files, which must be what the rows say.
  private func pictures(_ house: DaemonHouse, _ id: Int64) throws -> [Data] {
    let details = try house.client.details(job: id)
    #expect(details.job.state == .done && details.images.count == 2, "\(details.job)")
    #expect(try house.client.checkpoint(job: id, index: 0) == nil)
    return try details.images.map { try Data(contentsOf: URL(fileURLWithPath: $0.path)) }
  }

  /// Steps kept of the image at work, whether the first is finished, and steps of both.
  private func kept(
    _ house: DaemonHouse, _ id: Int64
  ) throws -> (step: Int, firstIsFinished: Bool, steps: Int) {
    var (step, finished, steps) = (0, false, 0)
    for index in 0..<2 {
      switch try house.client.checkpoint(job: id, index: index) {
      case .step(let done, _, _):
        step = done
        steps += done
      case .file:
        finished = finished || index == 0
        steps += Self.steps
      case nil: break
      }
    }
    return (step, finished, steps)
  }

  @Test(.enabled(if: FaultLibrary.isThere), arguments: [SchedulerName.ddpm, .ddim, .euler])
  func stoppedAtRandomSteps(scheduler: SchedulerName) throws {
    let wanted = try undisturbed(scheduler)
    let house = try DaemonHouse()
    let id = try enqueue(house, scheduler)
    var resumptions = 0
    while try house.job(id).state != .done {
      // Without checkpoints on the way: only the one at the stop.
      let daemon = try RealDaemon(
        house, drain: true, checkpointSteps: 1000, faults: [RealDaemon.beforeEachReport])
      let begun = try kept(house, id)
      let target = (begun.step + Int.random(in: 1...4)) % Self.steps
      if resumptions < 6 {
        _ = try daemon.goOn {
          let job = try house.client.details(job: id)
          return job.summary.step >= target && job.job.state == .running
        }
        daemon.askToStop()
      }
      #expect(daemon.goOnToTheEnd() == 0, "\(daemon.account)")
      let state = try house.job(id).state
      #expect(state == .queued || state == .done)
      let now = try kept(house, id)
      if state == .queued { resumptions += now.step > 0 || now.firstIsFinished ? 1 : 0 }
      // No step twice: the bytes would be the same if every attempt had started anew.
      let taken = (state == .done ? 2 * Self.steps : now.steps) - begun.steps
      #expect(try daemon.hasEndedInAStep || house.stepsTaken() == taken, "\(begun) \(now) \(state)")
    }
    #expect(resumptions > 0)
    #expect(try pictures(house, id) == wanted)
    #expect(try house.job(id).attempts == 1)
  }

  @Test(.enabled(if: FaultLibrary.isThere), arguments: [SchedulerName.ddpm, .ddim, .euler])
  func killedAtRandomSteps(scheduler: SchedulerName) throws {
    let wanted = try undisturbed(scheduler)
    let house = try DaemonHouse()
    let id = try enqueue(house, scheduler)
    var kills = 0
    // Not thrice: then the job would be set aside as the cause.
    while kills < 2 {
      let before = try kept(house, id)
      let target = min(before.step + Int.random(in: 2...10), Self.steps - 1)
      let daemon = try RealDaemon(house, drain: true, faults: [RealDaemon.beforeEachState])
      let stands = try daemon.goOn {
        let now = try kept(house, id)
        return now.step >= target || now.firstIsFinished != before.firstIsFinished
      }
      // On a busy machine no state of the last steps may have been written.
      if !stands { break }
      daemon.kill()
      kills += 1
      let after = try kept(house, id)
      #expect(after.step > 0 || after.firstIsFinished)
    }
    #expect(kills > 0)
    if try house.job(id).state != .done {
      let last = try kept(house, id)
      #expect(try RealDaemon(house, drain: true).end() == 0)
      let left = 2 * Self.steps - last.step - (last.firstIsFinished ? Self.steps : 0)
      #expect(try house.stepsTaken() == left)
    }
    #expect(try pictures(house, id) == wanted)
    // Every kill is known of; those at which the job had got further are not held against it.
    let losses = try house.client.details(job: id).events.filter { $0.kind == .lost }.count
    #expect(losses == kills)
  }

  @Test(.enabled(if: FaultLibrary.isThere)) func finishedPicturesAreNotRenderedAgainUnlessTheyChanged() throws
  {
    let house = try DaemonHouse()
    let wanted = try undisturbed(.ddim, steps: Self.manySteps)
    for isDamaged in [false, true] {
      let house = isDamaged ? try DaemonHouse() : house
      let id = try enqueue(house, .ddim, steps: Self.manySteps)
      let daemon = try RealDaemon(
        house, drain: true, checkpointSteps: 20, faults: [RealDaemon.beforeEachState])
      let stands = try daemon.goOn {
        try kept(house, id).firstIsFinished && kept(house, id).step > 0
      }
      try #require(stands, "\(daemon.account)")
      daemon.askToStop()
      #expect(daemon.goOnToTheEnd() == 0, "\(daemon.account)")
      let path = "\(house.output)/1/\(id)-0.png"
      let stamp = try FileManager.default.attributesOfItem(atPath: path)[.systemFileNumber] as? Int
      if isDamaged { try Data("broken".utf8).write(to: URL(fileURLWithPath: path)) }
      try house.worker().run()
      #expect(try pictures(house, id) == wanted)
      // What is not the picture any more may be somebody's.
      #expect(!isDamaged || FileManager.default.contents(atPath: path) == Data("broken".utf8))
      let names = isDamaged ? ["1/\(id)-0-2.png", "1/\(id)-0.png"] : ["1/\(id)-0.png"]
      #expect(house.files() == names + ["1/\(id)-1.png"])
      let after = try FileManager.default.attributesOfItem(atPath: path)[.systemFileNumber] as? Int
      #expect(isDamaged || stamp == after)
    }
  }

  /// A job that is cancelled keeps what is finished of it, unless its person wants none of it.
  @Test(.enabled(if: FaultLibrary.isThere), arguments: [false, true])
  func finishedPicturesOfACancelledJob(discard: Bool) throws {
    let house = try DaemonHouse()
    let id = try enqueue(house, .ddim, steps: Self.manySteps)
    let daemon = try RealDaemon(
      house, drain: true, checkpointSteps: 20, faults: [RealDaemon.beforeEachState])
    let stands = try daemon.goOn {
      try kept(house, id).firstIsFinished && kept(house, id).step > 0
    }
    try #require(stands, "\(daemon.account)")
    try daemon.freeQueue(of: house)
    #expect(house.files() == ["1/\(id)-0.png"])
    let inode =
      try FileManager.default.attributesOfItem(atPath: house.output + "/1/\(id)-0.png")[
        .systemFileNumber] as? Int
    _ = try house.client.cancel(job: id, discard: discard)
    // The row goes after the file.
    #expect(daemon.goOnToTheEnd() == 0, "\(daemon.account)")
    #expect(try house.client.checkpoint(job: id, index: 0) == nil)
    #expect(try house.job(id).state == .cancelled)
    let images = try house.client.details(job: id).images
    #expect(images.map(\.path) == (discard ? [] : [house.output + "/1/\(id)-0.png"]))
    #expect(house.files() == (discard ? [] : ["1/\(id)-0.png"]))
    // Queued again it is rendered whole, and what is there is not rendered again.
    try house.client.retry(job: id)
    try house.worker().run()
    #expect(try house.job(id).state == .done)
    #expect(house.files() == ["1/\(id)-0.png", "1/\(id)-1.png"])
    let after =
      try FileManager.default.attributesOfItem(atPath: house.output + "/1/\(id)-0.png")[
        .systemFileNumber] as? Int
    #expect(discard || inode == after)
  }

  @Test func aStartRemovesWhatADeadDaemonLeft() throws {
    let house = try DaemonHouse()
    try FileManager.default.createDirectory(atPath: house.output + "/1", withIntermediateDirectories: true)
    let own = house.output + "/1/.17-0.png.tmp-1f"
    let foreign = [house.output + "/1/.17-0.png.tmp", house.output + "/1/notes.tmp-1f"]
    for path in [own] + foreign { try Data("x".utf8).write(to: URL(fileURLWithPath: path)) }
    try house.worker().run()
    #expect(!FileManager.default.fileExists(atPath: own))
    #expect(foreign.allSatisfy { FileManager.default.fileExists(atPath: $0) })
  }

  /// Rows are written by whoever may enqueue: none of them may make the daemon delete other files.
  @Test func rowsCannotMakeTheDaemonDeleteOtherFiles() throws {
    let house = try DaemonHouse()
    let victim = house.folder + "/precious.png"
    try Data("x".utf8).write(to: URL(fileURLWithPath: victim))
    let id = try enqueue(house, .ddim)
    let mallory = try house.session("mallory")
    let claimed = try #require(try mallory.claim())
    let image = ImageRecord(
      index: 0, path: victim, seed: 0, width: 8, height: 8, digest: String(repeating: "a", count: 64),
      bytes: 1, seconds: 1)
    try mallory.announce(image, step: 1, modelDigest: "x", claimed.lease)
    try mallory.cancelled(claimed.lease)
    try house.worker().run()
    #expect(FileManager.default.fileExists(atPath: victim))
    #expect(try house.job(id).state == .cancelled)
  }
}

/// A thread whose end can be waited for.
final class FinishingThread: @unchecked Sendable {
  // Unchecked: `over` is touched only with `condition` held.
  private let condition = NSCondition()
  private var over = false

  init(_ body: @escaping @Sendable () throws -> Void) {
    let thread = Thread { [self] in
      do { try body() } catch { Issue.record("\(error)") }
      condition.lock()
      over = true
      condition.broadcast()
      condition.unlock()
    }
    thread.start()
  }

  var isOver: Bool {
    condition.lock()
    defer { condition.unlock() }
    return over
  }

  func wait() {
    condition.lock()
    while !over { condition.wait() }
    condition.unlock()
  }
}
