import GRDB
import JobStore
import Testing

/// Batches that start when another is over.
@Suite struct AfterTests {
  /// A batch of two jobs, and one of two that comes after it.
  private func twoBatches() throws -> TestQueue {
    let queue = try TestQueue()
    _ = try queue.client.enqueue(BatchRequest(name: "evening"), requests: [request("a"), request("b")])
    _ = try queue.client.enqueue(
      BatchRequest(name: "night", after: "evening"), requests: [request("c"), request("d")])
    return queue
  }

  private func finish(_ queue: TestQueue, _ claimed: ClaimedJob) throws {
    try queue.session().finish(
      claimed.lease, images: [image(0, of: claimed.job.id)], statistics: RenderStatistics())
  }

  private func held(_ queue: TestQueue) throws -> [Int] {
    try queue.sql { try Int.fetchAll($0, sql: "SELECT held FROM jobs WHERE batch = 2 ORDER BY id") }
  }

  private func overview(_ queue: TestQueue, _ job: Int64) throws -> String? {
    try queue.sql {
      try String.fetchOne($0, sql: "SELECT state FROM job_overview WHERE id = ?", arguments: [job])
    }
  }

  @Test func itsJobsWaitUntilTheOtherIsOver() throws {
    let queue = try twoBatches()
    try queue.client.setPriority(9, job: 4)
    let first = try #require(try queue.claim())
    let second = try #require(try queue.claim())
    #expect([first, second].map(\.job.id) == [1, 2])
    #expect(try queue.claim() == nil)
    let waiting = try queue.client.details(job: 3)
    #expect(waiting.summary.waitsFor == "batch evening" && waiting.summary.isHeld)
    #expect(waiting.job.isWaitingForBatch && !waiting.job.isPaused)
    #expect(try overview(queue, 3) == "waiting for batch evening")
    #expect(try queue.client.waitingBatches().map(\.id) == [2])
    #expect(
      try queue.client.waitingBatches(among: [1]).isEmpty && queue.client.waitingBatches(among: []).isEmpty)
    #expect(try queue.client.waitingBatches(among: [1, 2]).map(\.id) == [2])
    #expect(try queue.client.batch(2).waitsFor == "batch evening")
    try finish(queue, first)
    #expect(try queue.claim() == nil)
    // Whatever became of its jobs.
    try queue.session().fail(second.lease, message: "m", kind: .badInput)
    #expect(try overview(queue, 3) == "queued")
    #expect(try queue.client.waitingBatches().isEmpty)
    #expect(try queue.client.batch(2).after == 1 && queue.client.batch(2).waitsFor == nil)
    #expect(try queue.claim()?.job.id == 4)
  }

  @Test func aRetryIsNoEndButACancellationIs() throws {
    let queue = try twoBatches()
    try queue.session().fail(#require(try queue.claim()).lease, message: "m", kind: .transient)
    #expect(try queue.client.cancel(job: 2).cancelled == 1)
    #expect(try held(queue) == [8, 8])
    #expect(try queue.client.cancel(batch: 1).cancelled == 1)
    #expect(try held(queue) == [0, 0])
    // Who was let go is not held again.
    #expect(try queue.client.retry(batch: 1) == 2)
    #expect(try held(queue) == [0, 0])
    #expect(try queue.client.batch(2).waitsFor == nil && queue.client.batch(1).counts.open == 2)
  }

  @Test func otherHoldsStay() throws {
    let queue = try twoBatches()
    try queue.client.setPaused(true, batch: 2)
    #expect(try held(queue) == [9, 9])
    #expect(try overview(queue, 3) == "paused")
    _ = try queue.client.cancel(batch: 1)
    #expect(try held(queue) == [1, 1])
    try queue.client.setPaused(false, batch: 2)
    #expect(try queue.claim()?.job.id == 3)
  }

  /// A job that was cancelled while it waited, and is wanted after all.
  @Test func whatIsCancelledMeanwhileIsLetGoToo() throws {
    let queue = try twoBatches()
    _ = try queue.client.cancel(job: 3)
    _ = try queue.client.cancel(batch: 1)
    try queue.client.retry(job: 3)
    #expect(try queue.claim()?.job.id == 3)
  }

  @Test func afterABatchThatIsOverItStartsAtOnce() throws {
    let queue = try TestQueue()
    try queue.enqueue("a")
    _ = try queue.client.cancel(batch: 1)
    let later = try queue.client.enqueue(BatchRequest(after: "batch-1"), requests: [request("b")])
    #expect(try queue.claim()?.job.id == later.jobs.lowerBound)
    #expect(try queue.client.batch(2).after == 1)
    let events = try queue.client.details(job: 2).events
    #expect(events.first?.detail == "job 2, after batch 1")
  }

  @Test func whatIsNotThereIsRefused() throws {
    let queue = try TestQueue()
    for _ in 0..<2 { _ = try queue.client.enqueue(BatchRequest(name: "n"), requests: [request("a")]) }
    func enqueue(after: String) throws {
      _ = try queue.client.enqueue(BatchRequest(name: "new", after: after), requests: [request("b")])
    }
    #expect(storeError { try enqueue(after: "7") } == .notFound(thing: "batch", id: "7"))
    // Not itself either.
    #expect(storeError { try enqueue(after: "new") } == .notFound(thing: "batch", id: "new"))
    #expect(storeError { try enqueue(after: "n") } == .ambiguous(thing: "batch", name: "n", numbers: [2, 1]))
    #expect(try queue.client.list().count == 2)
    try enqueue(after: "2")
    #expect(try queue.client.batch(3).after == 2)
  }

  /// The key answers for the requests. What the batch came after may be gone by then.
  @Test func theKeyAnswersAlsoWhenTheOtherIsGone() throws {
    let queue = try TestQueue()
    try queue.enqueue("a")
    let named = BatchRequest(key: "k", after: "1")
    let first = try queue.client.enqueue(named, requests: [request("b")])
    _ = try queue.client.cancel(batch: 1)
    var all = Retention()
    all.states = [.cancelled]
    #expect(try queue.client.purge(all) { _ in } == 1)
    #expect(try queue.client.batches(limit: 9).map(\.id) == [2])
    let again = try queue.client.enqueue(named, requests: [request("b")])
    #expect(!again.isNew && again.jobs == first.jobs)
    #expect(try queue.client.batch(2).after == nil)
  }

  @Test(
    arguments: [
      "DELETE FROM batches WHERE id = 1", "DELETE FROM jobs WHERE batch = 1",
      "UPDATE batches SET after = NULL WHERE id = 2", "UPDATE jobs SET state = 'cancelled' WHERE batch = 1",
    ], [true, false])
  func endsByHandCount(change: String, hasForeignKeys: Bool) throws {
    let queue = try twoBatches()
    var configuration = Configuration()
    configuration.foreignKeysEnabled = hasForeignKeys
    try DatabaseQueue(path: queue.path, configuration: configuration).write { try $0.execute(sql: change) }
    #expect(try held(queue) == [0, 0])
  }

  /// What no trigger saw: a daemon's start puts it right.
  @Test(arguments: [
    ("UPDATE jobs SET held = 8 WHERE id = 1", [1, 2]),
    ("DROP TRIGGER batches_over; UPDATE jobs SET state = 'cancelled' WHERE batch = 1", [3, 4]),
    (
      "UPDATE batches SET queued = 7 WHERE id = 1; UPDATE jobs SET state = 'cancelled' WHERE batch = 1",
      [3, 4]
    ),
    ("UPDATE batches SET after = 2 WHERE id = 1; UPDATE jobs SET held = 8", [1, 2]),
  ])
  func aMissedEndIsMended(change: String, claimable: [Int64]) throws {
    let queue = try twoBatches()
    try queue.sql { try $0.execute(sql: change) }
    try queue.signOn(WorkerRecord(name: "new", pid: 1, host: "h", version: "1"))
    #expect(try [queue.claim("new"), queue.claim("new")].map { $0?.job.id } == claimable)
    #expect(try queue.claim("new") == nil)
  }

  /// Damaged holds are worked out anew, this one as well.
  @Test func theHoldIsMended() throws {
    let queue = try twoBatches()
    try queue.sql { db in
      try db.execute(sql: "PRAGMA ignore_check_constraints = ON; UPDATE jobs SET held = 77")
    }
    try queue.signOn(WorkerRecord(name: "new", pid: 1, host: "h", version: "1"))
    #expect(try held(queue) == [8, 8])
    #expect(try queue.claim("new")?.job.id == 1)
  }

  /// Who waits for the second is told what the first is waiting for.
  @Test func whatTheOtherWaitsForIsWaitedForToo() throws {
    let queue = try TestQueue()
    try queue.enqueue("a", model: "segmind/SegMoE-4x2-v0")
    _ = try queue.client.enqueue(BatchRequest(after: "1"), requests: [request("b")])
    try queue.enqueue("c", model: "other/model")
    #expect(try queue.client.waits(batch: 2).map(\.source) == ["segmind/SegMoE-4x2-v0"])
    #expect(try queue.client.waits(batch: 3).map(\.source) == ["other/model"])
    _ = try queue.client.cancel(batch: 1)
    #expect(try queue.client.waits(batch: 2).isEmpty)
  }
}
