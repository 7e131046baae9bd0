import Foundation
import JobStore
import Requests
import TestSupport
import Testing

/// What both stores promise to clients.
@Suite struct ClientConformanceTests {
  /// What was cancelled and is retried waits for the batch before its own again.
  @Test(arguments: StoreKind.here)
  func aRetriedJobFollowsItsBatch(kind: StoreKind) throws {
    let store = try TestStore(kind)
    try store.client.enqueue(BatchRequest(name: "first"), [request("a")])
    try store.client.enqueue(BatchRequest(after: "first"), [request("b")])
    _ = try store.client.cancel(.job(2), discard: false)
    #expect(try store.client.retry(.job(2)) == 1)
    let worker = try store.worker()
    let first = try #require(try worker.claim())
    #expect(first.lease.job == 1)
    #expect(try worker.claim() == nil)
    try worker.finish(first)
    #expect(try worker.awaitJob().lease.job == 2)
  }

  /// Upper and lower case of A to Z do not matter; that of other letters does.
  @Test(arguments: StoreKind.here)
  func promptsAreFound(kind: StoreKind) throws {
    let store = try TestStore(kind)
    try store.enqueue("Äpfel im Korb", "äpfel", "100%_\\", "ıIi")
    func found(_ text: String) throws -> [Int64] {
      var filter = JobFilter()
      filter.prompt = text
      return try store.client.list(filter).map(\.id)
    }
    #expect(try found("ÄPFEL") == [1])
    #expect(try found("äPFEL IM") == [])
    #expect(try found("äPFEL") == [2])
    #expect(try found("I") == [1, 4])
    #expect(try found("%_\\") == [3])
  }

  /// A class that no daemon is of any more, as after an upgrade.
  @Test(arguments: StoreKind.here)
  func whoWaitsForAClassInVainIsLetGo(kind: StoreKind) throws {
    let store = try TestStore(kind)
    try store.client.enqueue(BatchRequest(hasOneNumerics: true), (0..<4).map { request("\($0)") })
    let old = try store.worker("old", class: "1/avx2")
    try old.finish(try #require(try old.claim()))
    #expect(try store.client.retrial(of: .batch(1)).count == 0)
    try old.signOff()
    let new = try store.worker("new", pid: 11, class: "2/avx2")
    #expect(try new.claim() == nil)
    // One of them: the others wait on.
    #expect(try store.client.retry(.job(3)) == 1)
    let freed = try #require(try new.claim())
    #expect(freed.lease.job == 3)
    #expect(try new.claim() == nil)
    // All of them.
    #expect(try store.client.retrial(of: .batch(1)).count == 2)
    #expect(try store.client.retry(.batch(1)) == 2)
    #expect(try new.claim()?.lease.job == 2)
    #expect(try new.claim()?.lease.job == 4)
  }

  @Test(arguments: StoreKind.here)
  func aKeyMakesOneBatch(kind: StoreKind) throws {
    let store = try TestStore(kind)
    let batch = BatchRequest(name: "n", key: "k")
    let first = try store.client.enqueue(batch, [request("a"), request("b")])
    #expect(first == EnqueuedBatch(batch: 1, jobs: 1...2, isNew: true))
    #expect(
      try store.client.enqueue(batch, [request("a"), request("b")])
        == EnqueuedBatch(batch: 1, jobs: 1...2, isNew: false))
    #expect(
      storeError { try store.client.enqueue(batch, [request("other")]) } == .keyReused(key: "k", batch: 1))
    #expect(try store.client.status().counts.queued == 2)
  }

  @Test(arguments: StoreKind.here)
  func allOfABatchOrNothing(kind: StoreKind) throws {
    let store = try TestStore(kind)
    #expect(storeError { try store.client.enqueue(BatchRequest(), []) } == .emptyBatch)
    var wrong = request("b")
    wrong.render.steps = 0
    #expect(throws: RequestError.self) {
      try store.client.enqueue(BatchRequest(), [request("a"), wrong])
    }
    struct Interrupted: Error {}
    var given = false
    #expect(throws: Interrupted.self) {
      try store.client.enqueue(BatchRequest()) {
        defer { given = true }
        guard !given else { throw Interrupted() }
        return request("a")
      }
    }
    #expect(
      storeError { try store.client.enqueue(BatchRequest(after: "x"), [request("a")]) }
        == .notFound(thing: "batch", id: "x"))
    #expect(try store.client.status().counts.total == 0)
    #expect(try store.client.list(JobFilter()) == [])
    // The next enqueue is as if nothing had been.
    #expect(try store.enqueue("c").isNew)
  }

  @Test(arguments: StoreKind.here)
  func queuedJobsAreCancelledAndRunningOnesAsked(kind: StoreKind) throws {
    let store = try TestStore(kind)
    let worker = try store.worker()
    try store.enqueue("a", "b", "c")
    let claimed = try #require(try worker.claim())
    #expect(
      try store.client.cancellation(of: .batch(1)).outcome == Cancellation(cancelled: 2, stopping: 1))
    #expect(
      try store.client.cancel(.batch(1), discard: false) == Cancellation(cancelled: 2, stopping: 1))
    #expect(
      try store.client.cancel(.batch(1), discard: false) == Cancellation(cancelled: 0, stopping: 1))
    #expect(try store.client.details(job: 1).job.tenure?.cancelRequested == true)
    #expect(try worker.instruction(claimed.lease) == .cancel)
    try worker.beat()
    #expect(worker.verdict(of: claimed.lease).cancelled)
    try worker.cancelled(claimed.lease)
    #expect(try store.client.batch(1).counts.cancelled == 3)
    #expect(try store.client.cancel(.job(1), discard: false) == Cancellation(cancelled: 0, stopping: 0))
    #expect(
      try store.client.details(job: 1).events.map(\.kind) == [
        .enqueued, .claimed, .cancelRequested, .cancelled,
      ])
    #expect(
      storeError { _ = try store.client.cancel(.job(9), discard: false) } == .notFound(thing: "job", id: "9"))
  }

  /// What a worker does after a job's cancellation was asked for.
  @Test(arguments: StoreKind.here)
  func aCancelledJobComesToNoOtherEnd(kind: StoreKind) throws {
    let store = try TestStore(kind)
    let worker = try store.worker()
    try store.enqueue("fails", "goes back", "is done")
    let leases = try (0..<3).map { _ in try #require(try worker.claim()) }
    _ = try store.client.cancel(.batch(1), discard: false)
    #expect(
      try worker.fail(leases[0].lease, message: "m", kind: .transient, backoff: Backoff()) == .cancelled)
    try worker.giveBack(leases[1].lease)
    try worker.finish(leases[2])
    #expect(try (1...3).map { try store.state($0) } == [.cancelled, .cancelled, .done])
    #expect(
      storeError { _ = try store.client.cancel(.job(3), discard: false) }
        == .wrongState(job: 3, state: .done, action: "cancelled"))
  }

  @Test(arguments: StoreKind.here)
  func retryBeginsAnew(kind: StoreKind) throws {
    let store = try TestStore(kind)
    let worker = try store.worker()
    try store.enqueue("done", "failed", "cancelled")
    try worker.finish(#require(try worker.claim()))
    _ = try worker.fail(
      #require(try worker.claim()).lease, message: "m", kind: .badInput, backoff: Backoff())
    _ = try store.client.cancel(.job(3), discard: false)
    #expect(try store.client.retrial(of: .batch(1)).count == 2)
    #expect(try store.client.retry(.batch(1)) == 2)
    #expect(try (1...3).map { try store.state($0) } == [.done, .queued, .queued])
    #expect(try store.client.retrial(of: .job(1)).pictures == ["/out/1-0.png"])
    #expect(try store.client.retry(.job(1)) == 1)
    let job = try store.client.details(job: 1)
    #expect(job.job.state == .queued && job.job.attempts == 0 && job.images == [])
    let again = try worker.awaitJob()
    #expect(again.lease.job == 1 && again.job.attempts == 1)
    #expect(
      storeError { _ = try store.client.retry(.job(1)) }
        == .wrongState(job: 1, state: .running, action: "retried"))
    try worker.finish(again)
    let counts = try store.client.status().counts
    #expect(counts.done == 1 && counts.queued == 2 && counts.total == 3)
  }

  @Test(arguments: StoreKind.here)
  func retryEndsAWait(kind: StoreKind) throws {
    let store = try TestStore(kind)
    var later = request("later")
    later.runAfter = Date().milliseconds + 3_600_000
    try store.client.enqueue(BatchRequest(), [later])
    #expect(try store.client.retry(.job(1)) == 1)
    #expect(try store.client.details(job: 1).job.runAfter == nil)
    #expect(try store.worker().claim()?.lease.job == 1)
  }

  @Test(arguments: StoreKind.here)
  func anotherPriority(kind: StoreKind) throws {
    let store = try TestStore(kind)
    try store.enqueue("a", "b")
    #expect(try store.client.priority(ofJob: 2, before: 5) == 0)
    try store.client.setPriority(5, job: 2)
    #expect(throws: RequestError.self) { try store.client.setPriority(1_000_001, job: 2) }
    let worker = try store.worker()
    let claimed = try #require(try worker.claim())
    #expect(claimed.lease.job == 2)
    try worker.finish(claimed)
    #expect(
      storeError { try store.client.setPriority(1, job: 2) }
        == .wrongState(job: 2, state: .done, action: "reordered"))
  }

  @Test(arguments: StoreKind.here)
  func listsByEveryFilter(kind: StoreKind) throws {
    let store = try TestStore(kind)
    let worker = try store.worker()
    try store.client.enqueue(BatchRequest(name: "50% off_a"), [request("A Cat"), request("100%_x")])
    try store.enqueue("a dog", model: "/m/other")
    try worker.finish(#require(try worker.claim()))
    _ = try worker.claim()
    func jobs(_ change: (inout JobFilter) -> Void) throws -> [Int64] {
      var filter = JobFilter()
      change(&filter)
      return try store.client.list(filter).map(\.id)
    }
    #expect(try jobs { _ in } == [1, 2, 3])
    #expect(try jobs { $0.limit = 2 } == [2, 3])
    #expect(try jobs { $0.limit = 0 } == [])
    #expect(try jobs { $0.states = [.done] } == [1])
    #expect(try jobs { $0.states = [.running] } == [2])
    #expect(try jobs { $0.states = [.queued, .done] } == [1, 3])
    #expect(try jobs { $0.batch = 1 } == [1, 2])
    #expect(try jobs { $0.jobs = [3, 1, 99] } == [1, 3])
    #expect(try jobs { $0.prompt = "cat" } == [1])
    #expect(try jobs { $0.prompt = "0%_" } == [2])
    #expect(try jobs { $0.prompt = "\\" } == [])
    #expect(try jobs { $0.model = "other" } == [3])
    #expect(try jobs { $0.model = "demo" } == [1, 2])
    #expect(try jobs { $0.createdSince = Date().milliseconds + 60_000 } == [])
    #expect(storeError { _ = try jobs { $0.batch = 7 } } == .notFound(thing: "batch", id: "7"))
    #expect(try store.client.batches(limit: 1).map(\.id) == [2])
    #expect(try store.client.batches(limit: 5).map(\.name) == ["50% off_a", "batch-2"])
  }

  @Test(arguments: StoreKind.here)
  func batchesByNumberAndName(kind: StoreKind) throws {
    let store = try TestStore(kind)
    for name in ["2", "night%ly-1", "night%ly-2"] {
      try store.client.enqueue(BatchRequest(name: name), [request("a")])
    }
    #expect(try store.client.batchNumber("2") == 2)
    #expect(try store.client.batchNumber("night%ly-1") == 2)
    #expect(
      storeError { _ = try store.client.batchNumber("night%") }
        == .ambiguous(thing: "batch", name: "night%", numbers: [3, 2]))
    #expect(
      storeError { _ = try store.client.batchNumber("nightly") } == .notFound(thing: "batch", id: "nightly"))
  }
}
