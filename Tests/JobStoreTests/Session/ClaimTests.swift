import Foundation
import GRDB
import JobStore
import Requests
import Synchronization
import Testing

@Suite struct ClaimTests {
  @Test func priorityFirstThenOrder() throws {
    let queue = try TestQueue()
    try queue.enqueue("low", priority: -1)
    try queue.enqueue("a", "b")
    try queue.enqueue("high", priority: 5)
    let prompts = try (0..<4).map { _ in try queue.claim()?.request.render.prompt }
    #expect(prompts == ["high", "a", "b", "low"])
    #expect(try queue.claim() == nil)
  }

  @Test func aClaimIsAnAttemptWithALease() throws {
    let queue = try TestQueue()
    try queue.enqueue("a")
    let claimed = try #require(try queue.claim("w1"))
    #expect(claimed.lease.worker == "w1")
    #expect(claimed.job.state == .running)
    #expect(claimed.job.attempts == 1)
    #expect(claimed.job.tenure?.worker == "w1")
    #expect(claimed.job.tenure?.leaseExpires == queue.now + 60_000)
    #expect(claimed.job.startedAt == queue.now)
    #expect(try queue.client.details(job: 1).events.map(\.kind) == [.enqueued, .claimed])
  }

  @Test func notBeforeItsTime() throws {
    let queue = try TestQueue()
    var later = request("later", priority: 9)
    later.runAfter = queue.now + 10_000
    _ = try queue.client.enqueue(BatchRequest(), requests: [later, request("now")])
    #expect(try queue.session().nextDue() == queue.now + 10_000)
    #expect(try queue.claim()?.request.render.prompt == "now")
    #expect(try queue.claim() == nil)
    queue.pass(seconds: 9.9)
    #expect(try queue.claim() == nil)
    queue.pass(seconds: 0.1)
    #expect(try queue.claim()?.request.render.prompt == "later")
  }

  @Test func pausedQueuesAndBatchesRest() throws {
    let queue = try TestQueue()
    try queue.enqueue("a")
    try queue.enqueue("b")
    try queue.client.setPaused(true, batch: 1)
    #expect(try queue.client.list().map(\.isHeld) == [true, false])
    #expect(try queue.claim()?.request.render.prompt == "b")
    try queue.client.setPaused(true)
    try queue.client.setPaused(false, batch: 1)
    #expect(try queue.claim() == nil)
    #expect(try queue.client.status().isPaused)
    try queue.client.setPaused(false)
    #expect(try queue.claim()?.request.render.prompt == "a")
  }

  @Test func loadedModelsFirstButNotForEver() throws {
    let queue = try TestQueue()
    try queue.enqueue("other", model: "cold")
    let fill = (0..<300).map { request("\($0)", model: $0 == 299 ? "far" : "warm") }
    _ = try queue.client.enqueue(BatchRequest(), requests: fill)
    try queue.enqueue("urgent", model: "cold", priority: 1)

    // A higher priority goes before a loaded model.
    #expect(try queue.claim(preferring: ["warm"])?.request.render.prompt == "urgent")
    var overtakers = 0
    while let job = try queue.claim(preferring: ["warm"]), job.request.render.prompt != "other" {
      overtakers += 1
    }
    #expect(overtakers == Int(WorkerSession.overtakingWindow))
    #expect(try queue.claim(preferring: [])?.request.render.prompt == "256")
    #expect(try queue.claim(preferring: ["far"])?.request.render.prompt == "299")
  }

  @Test func beyondTheWindowNothingIsPreferred() throws {
    let queue = try TestQueue()
    let window = Int(WorkerSession.overtakingWindow)
    let jobs = (0...window + 1).map { request("\($0)", model: $0 > window ? "far" : "cold") }
    _ = try queue.client.enqueue(BatchRequest(), requests: jobs)
    #expect(try queue.claim(preferring: ["far"])?.request.render.prompt == "0")
    #expect(try queue.claim(preferring: ["far"])?.request.render.prompt == "\(window + 1)")
  }

  @Test func twoStoresNeverGetTheSameJob() async throws {
    let queue = try TestQueue()
    _ = try queue.client.enqueue(BatchRequest(), requests: (0..<200).map { request("\($0)") })
    let claimed = try await withThrowingTaskGroup(of: [Int64].self) { group in
      for worker in 0..<4 {
        let session = try queue.anotherSession("w\(worker)")
        group.addTask {
          var jobs: [Int64] = []
          while let job = try session.claim() { jobs.append(job.job.id) }
          return jobs
        }
      }
      return try await group.reduce(into: []) { $0 += $1 }
    }
    #expect(claimed.sorted() == Array(1...200))
    #expect(try queue.client.status().counts.running == 200)
  }

  @Test(arguments: [
    "scheduler = 'telepathy'", "loras = 'x'", "width = 80000", "steps = 100000",
    "guidance = 9e999", "count = 1000000",
  ])
  func rowsMendedByHandFailAndTheNextOneIsTaken(change: String) throws {
    let queue = try TestQueue()
    try queue.enqueue("bad", "good")
    try queue.sql { try $0.execute(sql: "UPDATE jobs SET \(change) WHERE id = 1") }
    #expect(try queue.claim()?.request.render.prompt == "good")
    let bad = try #require(try queue.client.list().first)
    #expect(bad.state == .failed)
    #expect(bad.failure?.kind == .badInput)
    #expect(bad.failure?.message.isEmpty == false)
    #expect(bad.images.count <= 1000)
  }

  @Test func theDaemonsLimitsCount() throws {
    let queue = try TestQueue()
    try queue.enqueue("a")
    var limits = RenderLimits()
    limits.side = 256
    #expect(try queue.session().claim(limits: limits) == nil)
    #expect(try queue.client.list().first?.failure?.message.contains("256") == true)
  }

  /// A whole queue that cannot be right any more (limits were lowered) fails a few jobs a transaction: others get
  /// their turn in between.
  @Test func whatCannotBeRightDoesNotHoldTheLockForLong() throws {
    let queue = try TestQueue()
    let count = WorkerSession.failuresAtOnce * 5 / 2
    _ = try queue.client.enqueue(BatchRequest(), requests: (0..<count).map { request("\($0)") })
    let statements = Statements()
    let session = try queue.anotherSession("traced") { statements.add($0) }
    var limits = RenderLimits()
    limits.side = 256
    #expect(try session.claim(limits: limits) == nil)
    #expect(try session.client.status().counts.failed == count)
    #expect(statements.all.count { $0.hasPrefix("BEGIN IMMEDIATE") } == 4)
  }

  /// Numbers that no program writes are put right by whoever meets them.
  @Test func rowsThatCouldNotBeClaimedArePutRight() throws {
    let queue = try TestQueue()
    _ = try queue.client.enqueue(BatchRequest(), requests: (0...150).map { request("\($0)") })
    try DatabaseQueue(path: queue.path).writeWithoutTransaction { db in
      try db.execute(sql: "PRAGMA ignore_check_constraints = ON")
      try db.execute(sql: "UPDATE jobs SET attempts = 99 WHERE id <= 150")
    }
    let job = try #require(try queue.claim()?.job)
    #expect(job.id == 1 && job.attempts == job.request.maxAttempts)
    #expect(try queue.client.status().counts.failed == 0)
  }

  /// One that may have killed its worker must not take others with it when it does so again.
  @Test func aJobThatLostItsWorkerIsNobodysCompanion() throws {
    let queue = try TestQueue()
    try queue.enqueue("a", "b", "c")
    for _ in 0..<2 { _ = try queue.claim("dead") }
    queue.pass(seconds: 61)
    let first = try #require(try queue.claim())
    #expect(first.job.id == 1 && first.job.losses == 1)
    func companion() throws -> ClaimedJob? {
      try queue.session().claimCompanion(of: first.request.render)
    }
    #expect(try companion()?.job.id == 3)
    #expect(try companion() == nil)
    #expect(try queue.claim()?.job.id == 2)
  }

  /// Jobs that leave out the same blocks use the same parts at the same time.
  @Test func aJobThatLeavesOtherBlocksOutIsNobodysCompanion() throws {
    let queue = try TestQueue()
    var requests = (0..<5).map { request("\($0)") }
    for (index, interval) in [3, nil, 2, 3, 3].enumerated() {
      requests[index].render.deepCache = interval.map { DeepCache(interval: $0) }
    }
    requests[3].render.deepCache?.branch = 1
    requests[4].render.tokenMerging = TokenMerging(ratio: 0.5)
    _ = try queue.client.enqueue(BatchRequest(), requests: requests)
    let first = try #require(try queue.claim())
    func companion() throws -> ClaimedJob? {
      try queue.session().claimCompanion(of: first.request.render)
    }
    #expect(try companion()?.job.id == 5)
    #expect(try companion() == nil)
  }

  /// It would be given the memory of the job at work, or take more than that may.
  @Test func aJobWithAnotherMemoryBudgetIsNobodysCompanion() throws {
    let queue = try TestQueue()
    var requests = (0..<4).map { request("\($0)") }
    for (index, budget) in [1 << 30, nil, 2 << 30, 1 << 30].enumerated() {
      requests[index].render.memoryBudget = budget.map { ByteCount(bytes: $0) }
    }
    _ = try queue.client.enqueue(BatchRequest(), requests: requests)
    let first = try #require(try queue.claim())
    func companion() throws -> ClaimedJob? {
      try queue.session().claimCompanion(of: first.request.render)
    }
    #expect(try companion()?.job.id == 4)
    #expect(try companion() == nil)
  }

  /// None of the statements of the worker's loop may read jobs by their state alone or sort them: that would
  /// be quick in a test and slow in a queue of a million.
  @Test func theWorkersLoopReadsTheFirstEntriesOfItsIndexes() throws {
    let queue = try TestQueue()
    _ = try queue.client.enqueue(
      BatchRequest(), requests: (0..<50).map { request("\($0)", model: "m\($0 % 3)") })
    let statements = Statements()
    let session = try queue.anotherSession("traced") { statements.add($0) }
    // Signing on looks at everything once.
    statements.clear()
    let lease = try #require(try session.claim(preferredModels: ["m1"])).lease
    _ = try session.nextDue()
    _ = try session.renew(lease)
    _ = try session.report(ImageProgress(index: 0, phase: .denoising, step: 1, steps: 25), lease)
    try session.fail(lease, message: "m", kind: .transient)

    let about = statements.all.filter { $0.contains(/\b(FROM|UPDATE) jobs\b/) }
    #expect(about.count >= 6)
    for statement in about {
      let plan = try queue.sql { db in
        try Row.fetchAll(db, sql: "EXPLAIN QUERY PLAN " + statement).map { "\($0["detail"] ?? "")" }
      }
      #expect(
        !plan.contains {
          $0.contains("SCAN jobs") && !$0.contains("jobs_due") && !$0.contains("jobs_leased")
        }, "\(plan): \(statement)")
      #expect(!plan.contains { $0.contains("jobs_by_state") }, "\(plan): \(statement)")
    }
  }
}

/// SQL that a store has executed.
private final class Statements: Sendable {
  private let list = Mutex<[String]>([])

  var all: [String] { list.withLock { $0 } }

  func clear() { list.withLock { $0 = [] } }

  func add(_ statement: String) { list.withLock { $0.append(statement) } }
}
