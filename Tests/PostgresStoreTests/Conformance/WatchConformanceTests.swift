import Foundation
import JobStore
import Requests
import TestSupport
import Testing

/// What both stores promise to somebody who watches.
@Suite struct WatchConformanceTests {
  /// All events behind a mark, which is moved behind them.
  private func news(_ store: TestStore, _ mark: inout EventMark) throws -> [Event] {
    var all: [Event] = []
    while true {
      let some = try store.client.events(after: mark)
      mark = some.mark
      if some.events.isEmpty { return all }
      all += some.events
    }
  }

  @Test(arguments: StoreKind.here)
  func eachEventComesOnceAndInOrder(kind: StoreKind) throws {
    let store = try TestStore(kind)
    try store.enqueue("before")
    var mark = try store.client.newestEvent()
    #expect(try news(store, &mark) == [])
    // More than are read at a time.
    let many = EventMark.most + 200
    try store.client.enqueue(BatchRequest(), (0..<many).map { request("\($0)") })
    _ = try store.client.cancel(.batch(2), discard: false)
    let seen = try news(store, &mark)
    #expect(seen.map(\.kind) == [.enqueued] + (0..<many).map { _ in .cancelled })
    #expect(seen.dropFirst().map(\.job) == (0..<many).map { Int64($0 + 2) })
    #expect(try news(store, &mark) == [])
    let worker = try store.worker()
    _ = try worker.claim()
    #expect(try news(store, &mark).map(\.kind) == [.workerStarted, .claimed])
    var start = EventMark.start
    #expect(try news(store, &start).count == many + 4)
  }

  @Test(arguments: StoreKind.here)
  func aCommitOfAnotherIsNoticed(kind: StoreKind) throws {
    let store = try TestStore(kind)
    let worker = try store.worker()
    try store.enqueue("a")
    var mark = try store.client.changeMark()
    let claimed = try #require(try worker.claim())
    #expect(try store.client.changeMark() != mark)
    mark = try store.client.changeMark()
    let progress = ImageProgress(
      index: 0, phase: .denoising, step: 3, steps: 25, secondsPerStep: 0.5, expectedEnd: 7)
    try worker.report(progress, waiting: 2, claimed.lease)
    #expect(try store.client.changeMark() != mark)
    try store.client.verify()
  }

  @Test(arguments: StoreKind.here)
  func whoIsAliveByTheQueuesClock(kind: StoreKind) throws {
    let store = try TestStore(kind)
    let before = try store.client.now()
    let (one, other) = (try store.worker("w"), try store.worker("v", pid: 11))
    let after = try store.client.now()
    #expect(try store.client.workers().allSatisfy { (before...after).contains($0.startedAt) })
    for worker in [one, other] { try worker.beat() }
    #expect(try store.client.livingWorkers().map(\.name) == ["v", "w"])
    try other.signOff()
    #expect(try store.client.livingWorkers().map(\.name) == ["w"])
    try one.signOff()
    #expect(try store.client.livingWorkers() == [])
  }

  @Test(arguments: StoreKind.here)
  func batchesThatWait(kind: StoreKind) throws {
    let store = try TestStore(kind)
    let worker = try store.worker(class: "avx2")
    try store.client.enqueue(BatchRequest(name: "one", hasOneNumerics: true), [request("a"), request("b")])
    try store.client.enqueue(BatchRequest(after: "one"), [request("c")])
    func waiting(_ batches: Set<Int64>? = nil, limit: Int = 16) throws -> [String] {
      try store.client.waitingBatches(among: batches, limit: limit).map { "\($0.id) \($0.waitsFor ?? "")" }
    }
    #expect(try waiting() == ["2 batch one"])
    try worker.giveBack(#require(try worker.claim()).lease)
    #expect(try waiting() == ["2 batch one"])
    try worker.signOff()
    #expect(try waiting() == ["1 a daemon of avx2", "2 batch one"])
    #expect(try waiting(limit: 1) == ["1 a daemon of avx2"])
    #expect(try waiting([2]) == ["2 batch one"])
    #expect(try waiting([]) == [] && waiting([3]) == [])
    #expect(try store.client.batch(1).waitsFor == "a daemon of avx2")
    #expect(try store.client.batchesInShards(among: nil, limit: 16) == [])
    #expect(try store.client.jobsInShards(batch: nil) == 0)
    #expect(try store.client.sources(job: 1) == [])
    _ = try store.client.cancel(.batch(1), discard: false)
    #expect(try store.client.batch(1).waitsFor == nil)
  }

  @Test(arguments: StoreKind.here)
  func failuresByTheirKind(kind: StoreKind) throws {
    let store = try TestStore(kind)
    let worker = try store.worker()
    try store.enqueue("a", "b", "c")
    try store.enqueue("d")
    for message in ["one", "two"] { try worker.refuse(#require(try worker.claim()).lease, message: message) }
    #expect(try store.client.failures(batch: 1) == [.badInput: 2])
    #expect(try store.client.failures(batch: 2) == [:])
  }

  /// Two pictures that took 2.5 s each: a job is no quicker than one of them.
  @Test(arguments: StoreKind.here)
  func whatJobsTook(kind: StoreKind) throws {
    let store = try TestStore(kind)
    let worker = try store.worker()
    let asked = request("a", count: 2)
    #expect(try store.client.pace().seconds(for: asked.render) == nil)
    try store.client.enqueue(BatchRequest(), [asked, request("b", count: 2)])
    try worker.finish(#require(try worker.claim()))
    let pace = try store.client.pace()
    let seconds = try #require(pace.seconds(for: asked.render))
    #expect(seconds >= 2.5 && seconds <= 5)
    var other = asked.render
    other.steps *= 2
    #expect(try #require(pace.seconds(for: other)) == 2 * seconds)
    #expect(pace.seconds(for: request("a", model: "other").render) == nil)
    var estimate = QueueEstimate()
    #expect(try estimate.secondsLeft(store.client, now: Date()) == seconds)
  }

  @Test(arguments: StoreKind.here)
  func whatIsQueuedBefore(kind: StoreKind) throws {
    let store = try TestStore(kind)
    let worker = try store.worker()
    try store.client.enqueue(BatchRequest(), [request("a"), request("b", count: 2)])
    try store.enqueue("c", priority: 5)
    try store.enqueue("d", model: "other")
    try store.client.setPaused(true, batch: 3)
    func images(_ change: (inout JobFilter) -> Void) throws -> [String: Double] {
      var filter = JobFilter()
      change(&filter)
      return try store.client.backlog(filter).reduce(into: [:]) { $0[$1.model, default: 0] += $1.images }
    }
    #expect(try images { _ in } == ["demo": 4, "other": 1])
    #expect(try images { $0.batch = 1 } == ["demo": 4])
    #expect(try images { $0.jobs = [1] } == ["demo": 2])
    #expect(try images { $0.batch = 3 } == ["demo": 4, "other": 1])
    #expect(try images { $0.jobs = [99] } == [:])
    let kinds = try store.client.backlog(JobFilter())
    #expect(kinds.allSatisfy { $0.pixels == 512 * 512 && $0.steps == Double(request("a").render.steps) })
    #expect(try worker.claim()?.lease.job == 3)
    #expect(try images { $0.batch = 1 } == ["demo": 3])
  }

  @Test(arguments: StoreKind.here)
  func previewsOfWhatIsAtWork(kind: StoreKind) throws {
    let store = try TestStore(kind)
    let worker = try store.worker()
    try store.client.enqueue(BatchRequest(), [request("a", count: 2), request("b")])
    let lease = try #require(try worker.claim()).lease
    let other = try #require(try worker.claim()).lease
    let png = (0..<2000).map { UInt8(truncatingIfNeeded: $0) }
    try worker.keep(preview: [1], step: 3, index: 0, lease)
    try worker.keep(preview: png, step: 4, index: 0, lease)
    try worker.keep(preview: [0, 255], step: 5, index: 1, lease)
    try worker.keep(preview: [7], step: 6, index: 0, other)
    let seen = try store.client.previews(jobs: [2, 1])
    #expect(seen.map(\.job) == [1, 1, 2] && seen.map(\.number) == [0, 1, 0])
    #expect(seen.map(\.step) == [4, 5, 6] && seen.map(\.png) == [png, [0, 255], [7]])
    #expect(seen.allSatisfy { $0.madeAt > 0 })
    #expect(try store.client.previews(jobs: []) == [] && store.client.previews(jobs: [9]) == [])
    // A finished image has a file to look at, and a job that runs no more has nothing.
    for phase in [RenderPhase.denoising, .done] {
      let progress = ImageProgress(
        index: 0, phase: phase, step: 25, steps: 25, secondsPerStep: nil, expectedEnd: nil)
      try worker.report(progress, waiting: 2, lease)
    }
    #expect(try store.client.previews(jobs: [1]).map(\.number) == [1])
    try worker.giveBack(lease)
    #expect(try store.client.previews(jobs: [1, 2]).map(\.job) == [2])
    #expect(
      storeError { _ = try worker.keep(preview: [1], step: 9, index: 0, lease) }
        == .leaseLost(job: 1, worker: "w"))
    let long = [UInt8](repeating: 1, count: Preview.longest + 1)
    guard case .wrongRow? = storeError({ _ = try worker.keep(preview: long, step: 9, index: 0, other) })
    else {
      Issue.record("a preview of any length is kept")
      return
    }
    #expect(try store.client.previews(jobs: [1, 2]).map(\.step) == [6])
  }
}
