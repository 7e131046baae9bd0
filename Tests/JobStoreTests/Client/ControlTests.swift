import Foundation
import JobStore
import Requests
import Testing

@Suite struct ControlTests {
  @Test func cancellingABatchTakesAllThatIsOpen() throws {
    let queue = try TestQueue()
    try queue.enqueue("done", "running", "queued")
    try queue.enqueue("other batch")
    let done = try #require(try queue.claim()).lease
    try queue.session().finish(done, images: [image(0)], statistics: RenderStatistics())
    _ = try queue.claim()
    #expect(try queue.client.cancel(batch: 1) == Cancellation(cancelled: 1, stopping: 1))
    #expect(try queue.client.list().map(\.state) == [.done, .running, .cancelled, .queued])
    // Again: nothing left to do, and no second set of events.
    #expect(try queue.client.cancel(batch: 1) == Cancellation(cancelled: 0, stopping: 1))
    let kinds = try queue.client.details(job: 2).events.map(\.kind)
    #expect(kinds.filter { $0 == .cancelRequested }.count == 1)
  }

  @Test func cancellingTwiceIsNoErrorButAfterTheEndItIs() throws {
    let queue = try TestQueue()
    try queue.enqueue("a", "b")
    #expect(try queue.client.cancel(job: 1).cancelled == 1)
    #expect(try queue.client.cancel(job: 1) == Cancellation(cancelled: 0, stopping: 0))
    let lease = try #require(try queue.claim()).lease
    try queue.session().finish(lease, images: [image(0)], statistics: RenderStatistics())
    #expect(
      storeError { _ = try queue.client.cancel(job: 2) }
        == .wrongState(job: 2, state: .done, action: "cancelled"))
  }

  @Test func retryingStartsAfresh() throws {
    let queue = try TestQueue()
    try queue.enqueue("a", "b")
    try queue.session().fail(#require(try queue.claim()).lease, message: "m", kind: .badInput)
    _ = try queue.client.cancel(job: 2)
    #expect(try queue.client.retry(batch: 1) == 2)
    #expect(try queue.client.retry(batch: 1) == 0)
    let job = try queue.client.details(job: 1).job
    #expect(job.state == .queued)
    #expect((job.attempts, job.losses) == (0, 0))
    #expect(job.failure?.message == nil)
    #expect(try queue.claim()?.request.render.prompt == "a")
    #expect(try queue.claim()?.request.render.prompt == "b")
  }

  @Test func retryingAWaitingJobEndsItsPause() throws {
    let queue = try TestQueue()
    try queue.enqueue("a")
    try queue.session().fail(#require(try queue.claim()).lease, message: "m", kind: .transient)
    #expect(try queue.claim() == nil)
    try queue.client.retry(job: 1)
    #expect(try queue.claim() != nil)
    #expect(
      storeError { try queue.client.retry(job: 1) } == .wrongState(job: 1, state: .running, action: "retried")
    )
  }

  @Test func reorderingIsAPriority() throws {
    let queue = try TestQueue()
    try queue.enqueue("a", "b")
    try queue.client.setPriority(3, job: 2)
    #expect(try queue.claim()?.request.render.prompt == "b")
    #expect(throws: RequestError.self) { try queue.client.setPriority(.max, job: 1) }
  }

  @Test func whatIsNotThereIsNamed() throws {
    let queue = try TestQueue()
    let job = JobStoreError.notFound(thing: "job", id: "7")
    let batch = JobStoreError.notFound(thing: "batch", id: "7")
    #expect(storeError { _ = try queue.client.details(job: 7) } == job)
    #expect(storeError { _ = try queue.client.cancel(job: 7) } == job)
    #expect(storeError { try queue.client.retry(job: 7) } == job)
    #expect(storeError { try queue.client.setPriority(1, job: 7) } == job)
    #expect(storeError { _ = try queue.client.cancel(batch: 7) } == batch)
    #expect(storeError { _ = try queue.client.retry(batch: 7) } == batch)
    #expect(storeError { try queue.client.setPaused(true, batch: 7) } == batch)
    #expect(storeError { _ = try queue.client.batch(7) } == batch)
    var filter = JobFilter()
    filter.batch = 7
    #expect(storeError { _ = try queue.client.list(filter) } == batch)
  }

  @Test func listsCanBeNarrowed() throws {
    let queue = try TestQueue()
    try queue.enqueue("a", "b", "c")
    try queue.enqueue("d", "e")
    _ = try queue.claim()
    func prompts(_ change: (inout JobFilter) -> Void) throws -> [String] {
      var filter = JobFilter()
      change(&filter)
      return try queue.client.list(filter).map(\.prompt)
    }
    #expect(try prompts { _ in } == ["a", "b", "c", "d", "e"])
    #expect(try prompts { $0.limit = 2 } == ["d", "e"])
    #expect(try prompts { $0.batch = 1 } == ["a", "b", "c"])
    #expect(
      try prompts {
        $0.batch = 1; $0.limit = 1
      } == ["c"])
    #expect(try prompts { $0.states = [.running] } == ["a"])
    #expect(
      try prompts {
        $0.batch = 2; $0.states = [.running]
      } == [])
    #expect(
      try prompts {
        $0.states = [.queued, .running]; $0.batch = 1
      } == ["a", "b", "c"])
    #expect(try prompts { $0.jobs = [5, 2] } == ["b", "e"])
  }
}
