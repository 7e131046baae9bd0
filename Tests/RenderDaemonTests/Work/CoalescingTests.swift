import Foundation
import GRDB
import JobStore
import RenderDaemon
import Requests
import TestSupport
import Testing

/// Jobs that go through their model together: the same pictures, and each its own job.
@Suite struct CoalescingTests {
  /// Jobs of one model and size that differ in all else, and one of another size in their midst.
  private func enqueue(_ house: DaemonHouse) throws -> [Int64] {
    let schedulers: [SchedulerName] = [.ddpm, .ddim, .euler, .saSolver, .dpmppSDE]
    return try schedulers.enumerated().map { index, scheduler in
      try house.enqueue("picture \(index)", attempts: 3) {
        $0.model = "all-3x2"
        $0.scheduler = scheduler
        $0.sigmas = index == 4 ? .karras : nil
        $0.guidanceUntil = index == 0 ? 0.4 : 1
        $0.eta = index == 1 ? 0.5 : nil
        $0.steps = 3 + index
        $0.count = index == 1 ? 3 : 1
        $0.seed = UInt64(index)
        $0.guidance = index == 3 ? 1 : 5
        $0.width = index == 2 ? 96 : 64
        $0.tokenMerging = index == 3 ? TokenMerging(ratio: 0.5) : nil
      }
    }
  }

  @Test(arguments: [2, 4, 7]) func samePixelsTogetherAsAlone(limit: Int) throws {
    let (alone, together) = (try DaemonHouse(), try DaemonHouse())
    for house in [alone, together] { try house.addModel("all-3x2") }
    let (one, two) = (try enqueue(alone), try enqueue(together))
    try alone.worker(coalesce: 1).run()
    try together.worker(coalesce: limit).run()
    #expect(try alone.pictures(one) == together.pictures(two))
    #expect(try alone.stepsTaken() == together.stepsTaken())
    // The last job, of the first one's size, is claimed before the third, of another size, has begun: so they
    // did go together.
    let order = try together.client.events(after: .start).events.filter { $0.kind == .claimed }.compactMap(
      \.job)
    #expect(order.count == two.count)
    let (last, third) = (order.firstIndex(of: two[3]), order.firstIndex(of: two[2]))
    #expect(try #require(last) < #require(third))
  }

  /// A model that is not there, and a prompt that the model cannot read, beside good jobs.
  @Test func oneFailsTheOthersGoOn() throws {
    let house = try DaemonHouse()
    let first = try house.enqueue { $0.steps = 6 }
    let bad = try house.enqueue {
      $0.embeddings = [EmbeddingReference(path: house.models + "/none", token: nil)]
    }
    let last = try house.enqueue { $0.steps = 6 }
    try house.worker(coalesce: 3).run()
    #expect(try house.job(first).state == .done && house.job(last).state == .done)
    #expect(try house.job(bad).state == .failed)
  }

  @Test(.enabled(if: FaultLibrary.isThere)) func oneIsCancelledTheOthersGoOn() throws {
    let house = try DaemonHouse()
    let jobs = try (0..<3).map { _ in try house.enqueue { $0.steps = 300 } }
    // Whoever holds the queue's lock would keep the cancellation waiting.
    let daemon = try RealDaemon(
      house, drain: true, faults: [RealDaemon.beforeEachReport], environment: ["SEGMOE_COALESCE": "3"])
    let stands = try daemon.goOn {
      try jobs.allSatisfy { try house.client.details(job: $0).summary.step > 1 }
    }
    try #require(stands, "\(daemon.account)")
    try daemon.freeQueue(of: house)
    _ = try house.client.cancel(job: jobs[1])
    #expect(daemon.goOnToTheEnd() == 0, "\(daemon.account)")
    #expect(try jobs.map { try house.job($0).state } == [.done, .cancelled, .done])
    #expect(house.files().count == 2)
  }

  /// All are given back at a stop, with what they had done, and end in the same pictures.
  @Test(.enabled(if: FaultLibrary.isThere)) func allGoOnAfterAStop() throws {
    let (undisturbed, house) = (try DaemonHouse(), try DaemonHouse())
    func enqueue(_ house: DaemonHouse) throws -> [Int64] {
      try (0..<3).map { index in
        try house.enqueue {
          $0.steps = 150
          $0.scheduler = .ddpm
          $0.deepCache = DeepCache(interval: 3, branch: 1)
          $0.tokenMerging = index == 1 ? TokenMerging(ratio: 0.5) : nil
          $0.seed = UInt64(index)
        }
      }
    }
    let (wanted, jobs) = (try enqueue(undisturbed), try enqueue(house))
    try undisturbed.worker().run()
    let daemon = try RealDaemon(
      house, drain: true, checkpointSteps: 1000, faults: [RealDaemon.beforeEachReport],
      environment: ["SEGMOE_COALESCE": "3"])
    let stands = try daemon.goOn {
      try jobs.allSatisfy { try house.client.details(job: $0).summary.step > 2 }
    }
    try #require(stands, "\(daemon.account)")
    daemon.askToStop()
    #expect(daemon.goOnToTheEnd() == 0, "\(daemon.account)")
    let saved = try jobs.map { try house.savedSteps($0) }.reduce(0, +)
    #expect(try daemon.hasEndedInAStep || house.stepsTaken() == saved)
    try house.expectGivenBack(jobs, after: 2)
    try house.worker(coalesce: 2).run()
    #expect(try saved + house.stepsTaken() == 450)
    #expect(try house.pictures(jobs) == undisturbed.pictures(wanted))
  }

  /// A job that may have killed its daemon goes alone: should it do so again, others are not lost with it.
  @Test func whoLostItsWorkerGoesAlone() throws {
    let house = try DaemonHouse()
    let jobs = try (0..<4).map { _ in try house.enqueue { $0.steps = 4 } }
    try house.sqlite().write { db in
      try db.execute(sql: "UPDATE jobs SET losses = 1 WHERE id = ?", arguments: [jobs[1]])
    }
    try house.worker(coalesce: 4).run()
    let events = try house.client.events(after: .start).events.filter {
      [.claimed, .done].contains($0.kind)
    }
    let (alone, others) = (events.filter { $0.job == jobs[1] }, events.filter { $0.job != jobs[1] })
    #expect(alone.map(\.kind) == [.claimed, .done] && events.suffix(2) == alone[...])
    // The others went together.
    #expect(others.map(\.kind) == [.claimed, .claimed, .claimed, .done, .done, .done])
  }

  /// Without being asked to, pictures go together only where that saves reading.
  @Test func withRoomForAllOneFollowsTheOther() throws {
    let house = try DaemonHouse()
    let jobs = try (0..<2).map { _ in try house.enqueue { $0.steps = 4 } }
    try house.worker().run()
    let times = try jobs.map { try #require(try house.job($0).startedAt) }
    let end = try #require(try house.job(jobs[0]).finishedAt)
    #expect(times[1] >= end)
  }
}
