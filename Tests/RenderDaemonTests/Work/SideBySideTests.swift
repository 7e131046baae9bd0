import Foundation
import GRDB
import JobStore
import RenderDaemon
import Requests
import TestSupport
import Testing

/// A daemon with several jobs at work side by side: the same pictures as one after another, and each job on its own.
@Suite struct SideBySideTests {
  /// Jobs that differ in nearly all, of two models.
  private func enqueue(_ house: DaemonHouse) throws -> [Int64] {
    let schedulers: [SchedulerName] = [.ddpm, .ddim, .euler, .saSolver, .dpmppSDE, .heun]
    return try schedulers.enumerated().map { index, scheduler in
      try house.enqueue("picture \(index)") {
        $0.model = index % 3 == 1 ? "tiny" : "all-3x2"
        $0.scheduler = scheduler
        $0.steps = 3 + index
        $0.count = index == 1 ? 3 : 1
        $0.seed = UInt64(index)
        $0.guidance = index == 3 ? 1 : 5
        $0.width = index == 2 ? 96 : 64
        $0.deepCache = index == 0 ? DeepCache(interval: 3, branch: 1) : nil
      }
    }
  }

  private func house() throws -> DaemonHouse {
    let house = try DaemonHouse()
    try house.addModel("all-3x2")
    return house
  }

  /// Jobs that take long enough to be found at work.
  private func longJobs(_ house: DaemonHouse, steps: Int = 600) throws -> [Int64] {
    try (0..<2).map { index in
      try house.enqueue(attempts: 3) {
        $0.steps = steps
        $0.scheduler = .ddpm
        $0.seed = UInt64(index)
      }
    }
  }

  private func step(_ house: DaemonHouse, _ job: Int64) throws -> Int {
    try house.client.details(job: job).summary.step
  }

  /// Whatever goes together beside it, and more loops than jobs.
  @Test(arguments: [(2, Int?.none), (2, 3), (3, 1), (8, nil)])
  func samePicturesAsOneAfterAnother(jobs: Int, coalesce: Int?) throws {
    let (one, several) = (try house(), try house())
    let (alone, beside) = (try enqueue(one), try enqueue(several))
    try one.worker(coalesce: 1).run()
    try several.worker(coalesce: coalesce, jobs: jobs).run()
    #expect(try several.pictures(beside) == one.pictures(alone))
    // What all loops did is counted once.
    for name in ["segmoe_steps_total", "segmoe_images_total"] {
      #expect(try several.number(name) == one.number(name))
    }
    #expect(try several.client.workers().map(\.state) == [.stopped])
    try QueueAccount.expectInOrder(several, "\(jobs) side by side")
  }

  /// Both are at work at a time under one name, and a stop gives both back with what they had done.
  @Test(.enabled(if: FaultLibrary.isThere)) func aStopGivesAllBack() throws {
    let (undisturbed, house) = (try DaemonHouse(), try DaemonHouse())
    let (wanted, jobs) = (try longJobs(undisturbed), try longJobs(house))
    try undisturbed.worker().run()
    let daemon = try RealDaemon(
      house, checkpointSteps: 1000, faults: [RealDaemon.beforeEachReport], environment: ["SEGMOE_JOBS": "2"])
    let stands = try daemon.goOn { try jobs.allSatisfy { try step(house, $0) > 2 } }
    try #require(stands, "\(daemon.account)")
    #expect(try house.client.status().counts.running == 2 && house.client.workers().count == 1)
    daemon.askToStop()
    #expect(daemon.goOnToTheEnd() == 0, "\(daemon.account)")
    let saved = try jobs.map { try house.savedSteps($0) }.reduce(0, +)
    #expect(try daemon.hasEndedInAStep || house.stepsTaken() == saved)
    try house.expectGivenBack(jobs, after: 2)
    try house.worker(jobs: 2).run()
    #expect(try saved + house.stepsTaken() == 1200)
    #expect(try house.pictures(jobs) == undisturbed.pictures(wanted))
  }

  /// Cancelled, or taken away: the other one goes on.
  @Test(arguments: [true, false]) func oneIsStoppedTheOtherGoesOn(isCancelled: Bool) throws {
    let house = try DaemonHouse()
    // Of the first more than it renders until then; the other is at work when that ends, and goes on.
    let jobs = try [50, 2].map { count in
      try house.enqueue {
        $0.steps = 900
        $0.count = count
      }
    }
    let worker = try house.worker(jobs: 2)
    let thread = FinishingThread { try worker.run() }
    try house.wait {
      try jobs.allSatisfy { try step(house, $0) > 1 || house.job($0).state == .done }
    }
    if isCancelled {
      _ = try house.client.cancel(job: jobs[0])
    } else {
      try house.sqlite().write { db in
        try db.execute(
          sql: """
            UPDATE jobs SET state = 'failed', lease_owner = NULL, lease_expires = NULL, finished_at = 1
            WHERE id = ?
            """, arguments: [jobs[0]])
      }
    }
    thread.wait()
    #expect(try jobs.map { try house.job($0).state } == [isCancelled ? .cancelled : .failed, .done])
    #expect(try house.stepsTaken() < 45_000)
  }

  /// A loop that finds nothing more stays as long as another one's job may bring work: what comes meanwhile is rendered
  /// beside it.
  @Test func aDrainWaitsForWhatFollows() throws {
    let house = try DaemonHouse()
    // More than it renders until then.
    let first = try house.enqueue {
      $0.steps = 900
      $0.count = 50
    }
    let worker = try house.worker(jobs: 2)
    let thread = FinishingThread { try worker.run() }
    try house.wait { try step(house, first) > 1 }
    for _ in 0..<2 {
      let later = try house.enqueue { $0.steps = 3 }
      try house.wait { try house.job(later).state == .done }
    }
    #expect(try house.job(first).state == .running && !thread.isOver)
    _ = try house.client.cancel(job: first)
    thread.wait()
    #expect(try house.job(first).state == .cancelled)
  }

  /// One job's model is not there, another's request is refused.
  @Test func oneFailsTheOthersGoOn() throws {
    let house = try house()
    let good = try house.enqueue { $0.steps = 30 }
    let missing = try house.enqueue { $0.model = "none" }
    let bad = try house.enqueue {
      $0.embeddings = [EmbeddingReference(path: house.models + "/none", token: nil)]
    }
    let last = try house.enqueue {
      $0.model = "all-3x2"
      $0.steps = 5
    }
    try house.worker(jobs: 2).run()
    #expect(
      try [good, missing, bad, last].map { try house.job($0).state } == [.done, .failed, .failed, .done])
  }

  /// The queue's file is replaced: all loops end, with the error of the one that saw it.
  @Test func whenOneCannotGoOnAllEnd() throws {
    let house = try DaemonHouse()
    let worker = try house.worker(drain: false, jobs: 3)
    let thread = FinishingThread {
      #expect(throws: JobStoreError.self) { try worker.run() }
    }
    try house.wait { try house.client.workers().first?.state == .idle }
    #expect(rename(house.client.path, house.client.path + ".away") == 0)
    thread.wait()
  }

  /// Killed with two jobs at work, again and again; nothing is lost, and the pictures are those of an undisturbed render.
  @Test(.enabled(if: FaultLibrary.isThere)) func killedWithTwoAtWork() throws {
    let (undisturbed, house) = (try DaemonHouse(), try DaemonHouse())
    let (wanted, jobs) = (try longJobs(undisturbed, steps: 900), try longJobs(house, steps: 900))
    try undisturbed.worker().run()
    var reached = [0, 0]
    for _ in 0..<3 {
      let daemon = try RealDaemon(
        house, faults: [RealDaemon.beforeEachState], environment: ["SEGMOE_JOBS": "2"])
      // Both get further than they were. It stands there, so that neither is over when it is killed.
      let stands = try daemon.goOn {
        try zip(jobs, reached).allSatisfy { job, before in try house.savedSteps(job) > before }
      }
      try #require(stands, "\(daemon.account)")
      #expect(try house.client.status().counts.running == 2, "\(daemon.account)")
      daemon.kill()
      reached = try jobs.map { try house.savedSteps($0) }
      #expect(reached.allSatisfy { $0 > 0 })
    }
    try RealDaemon.drain(house, environment: ["SEGMOE_JOBS": "2"])
    #expect(try house.pictures(jobs) == undisturbed.pictures(wanted))
    try QueueAccount.expectInOrder(house, accepted: [jobs[0]...jobs[1]], "killed with two at work")
  }

  /// What cannot be, such as more jobs than threads, is refused before anything is done.
  @Test(arguments: ["0", "2", "x"]) func wrongNumbersAreRefused(jobs: String) throws {
    let house = try DaemonHouse()
    let daemon = try RealDaemon(
      house, drain: true, arguments: ["--jobs", jobs])
    #expect(daemon.end() == 64, "\(daemon.account)")
    #expect(daemon.words.contains("jobs"), "\(daemon.words)")
    #expect(try house.client.workers().isEmpty)
  }
}
