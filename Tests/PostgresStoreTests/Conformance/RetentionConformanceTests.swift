import Foundation
import JobStore
import Requests
import TestSupport
import Testing

/// What both stores promise of a purge.
@Suite struct RetentionConformanceTests {
  /// Five jobs, done one after another, the first two in one batch.
  private func storeOfFive(_ kind: StoreKind) throws -> TestStore {
    let store = try TestStore(kind)
    try store.enqueue("1", "2")
    for prompt in ["3", "4", "5"] { try store.enqueue(prompt) }
    let worker = try store.worker()
    while let claimed = try worker.claim() {
      try worker.finish(claimed)
      // Their ends differ, so that an age tells them apart.
      usleep(5_000)
    }
    return store
  }

  private func purge(_ store: TestStore, _ change: (inout Retention) -> Void) throws -> [String] {
    var retention = Retention()
    change(&retention)
    let expired = try store.client.expired(retention, limit: .max)
    #expect(try store.client.expiredCount(retention) == expired.count)
    var removed: [ExpiredJob] = []
    #expect(try store.client.purge(retention, atOnce: 2) { removed.append($0) } == expired.count)
    #expect(removed == expired)
    return removed.flatMap(\.paths)
  }

  private func prompts(_ store: TestStore) throws -> [String] {
    try store.client.list(JobFilter()).map(\.prompt)
  }

  @Test(arguments: StoreKind.here)
  func byAge(kind: StoreKind) throws {
    let store = try storeOfFive(kind)
    let limit = try #require(try store.client.details(job: 3).job.finishedAt)
    #expect(try store.client.now() >= limit)
    #expect(try purge(store) { $0.finishedBefore = limit } == ["/out/1-0.png", "/out/2-0.png"])
    #expect(try prompts(store) == ["3", "4", "5"])
    #expect(try store.client.batches(limit: 9).map(\.id) == [2, 3, 4])
    let counts = try store.client.status().counts
    #expect(counts.done == 3 && counts.total == 3)
    #expect(storeError { _ = try store.client.details(job: 1) } == .notFound(thing: "job", id: "1"))
    #expect(storeError { _ = try store.client.batch(1) } == .notFound(thing: "batch", id: "1"))
    // Numbers are not given again.
    #expect(try store.enqueue("next") == EnqueuedBatch(batch: 5, jobs: 6...6, isNew: true))
  }

  @Test(arguments: StoreKind.here)
  func byNumber(kind: StoreKind) throws {
    let store = try storeOfFive(kind)
    #expect(try purge(store) { $0.keepNewest = 4 } == ["/out/1-0.png"])
    #expect(try store.client.batch(1).counts.done == 1)
    #expect(try purge(store) { $0.keepNewest = 4 } == [])
    #expect(try purge(store) { $0.keepNewest = 1 }.count == 3)
  }

  /// The newest whose pictures fit, 1,000 bytes each.
  @Test(arguments: StoreKind.here)
  func bySize(kind: StoreKind) throws {
    let store = try storeOfFive(kind)
    #expect(try purge(store) { $0.keepBytes = 5000 } == [])
    #expect(try purge(store) { $0.keepBytes = 4999 } == ["/out/1-0.png"])
    #expect(try purge(store) { ($0.keepBytes, $0.keepNewest) = (2000, 3) } == ["/out/2-0.png"])
    #expect(try purge(store) { $0.keepBytes = 2999 } == ["/out/3-0.png"])
    #expect(try purge(store) { $0.keepBytes = 999 }.count == 2)
    #expect(try purge(store) { $0.keepBytes = 0 } == [])
  }

  /// The size is that of all states together, of all pictures that would go.
  @Test(arguments: StoreKind.here)
  func bySizeOverAllStates(kind: StoreKind) throws {
    let store = try TestStore(kind)
    let worker = try store.worker()
    try store.enqueue("done", "failed with a picture", "done again", "done")
    try worker.finish(#require(try worker.claim()))
    usleep(5_000)
    let failing = try #require(try worker.claim()).lease
    try worker.announce(image(0, of: 2), step: 25, modelDigest: "d", failing)
    try worker.fail(failing, message: "m", kind: .badInput, backoff: Backoff())
    try worker.finish(#require(try worker.claim()))
    usleep(5_000)
    try worker.finish(#require(try worker.claim()))
    usleep(5_000)
    #expect(try store.client.retry(.job(3)) == 1)
    var other = image(0, of: 3)
    other.path = "/out/3-0-again.png"
    try worker.finish(
      worker.awaitJob().lease, images: [other], statistics: RenderStatistics(), modelDigest: nil)
    func limit(_ bytes: Int64) -> (inout Retention) -> Void {
      {
        $0.keepBytes = bytes
        $0.states = [.done, .failed]
      }
    }
    #expect(try purge(store, limit(5000)) == [])
    #expect(try purge(store, limit(3000)) == ["/out/1-0.png", "/out/2-0.png"])
    #expect(try purge(store, limit(2999)) == ["/out/4-0.png"])
    #expect(Set(try purge(store, limit(1000))) == ["/out/3-0.png", "/out/3-0-again.png"])
    #expect(try store.client.batches(limit: 9) == [])
  }

  @Test(arguments: StoreKind.here)
  func whatIsOpenOrOfAnotherStateStays(kind: StoreKind) throws {
    let store = try TestStore(kind)
    let worker = try store.worker()
    try store.enqueue("failed", "cancelled", "running", "queued")
    try worker.fail(#require(try worker.claim()).lease, message: "m", kind: .badInput, backoff: Backoff())
    _ = try store.client.cancel(.job(2), discard: false)
    _ = try worker.claim()
    #expect(try purge(store) { _ in } == [])
    #expect(try prompts(store).count == 4)
    _ = try purge(store) { $0.states = Set(JobState.allCases) }
    #expect(try prompts(store) == ["running", "queued"])
    let counts = try store.client.batch(1).counts
    #expect(counts.running == 1 && counts.queued == 1 && counts.total == 2)
  }

  @Test(arguments: StoreKind.here)
  func filesThatCannotBeRemovedKeepTheirRows(kind: StoreKind) throws {
    struct Stuck: Error {}
    let store = try storeOfFive(kind)
    #expect(throws: Stuck.self) {
      try store.client.purge(Retention(), atOnce: 2) { if $0.id == 3 { throw Stuck() } }
    }
    #expect(try prompts(store) == ["3", "4", "5"])
  }

  /// A job that is retried while its files go keeps its row.
  @Test(arguments: StoreKind.here)
  func whatIsRetriedMeanwhileStays(kind: StoreKind) throws {
    let store = try storeOfFive(kind)
    let removed = try store.client.purge(Retention(), atOnce: 3) { job in
      if job.id == 2 { _ = try store.client.retry(.job(2)) }
    }
    #expect(removed == 4)
    #expect(try prompts(store) == ["2"])
    #expect(try store.client.batch(1).counts.queued == 1)
  }

  @Test(arguments: StoreKind.here)
  func keysAreNotForgotten(kind: StoreKind) throws {
    let store = try TestStore(kind)
    let worker = try store.worker()
    try store.client.enqueue(BatchRequest(key: "k"), [request("a")])
    try store.client.enqueue(BatchRequest(after: "1"), [request("b")])
    try worker.finish(#require(try worker.claim()))
    #expect(try purge(store) { _ in }.count == 1)
    #expect(
      try store.client.enqueue(BatchRequest(key: "k"), [request("a")])
        == EnqueuedBatch(batch: 1, jobs: 1...1, isNew: false))
    #expect(try prompts(store) == ["b"])
    #expect(try worker.awaitJob().request.render.prompt == "b")
  }
}
