import Foundation
import JobStore
import Requests
import TestSupport
import Testing

/// What both stores say of what was done, and of themselves.
@Suite struct InspectionConformanceTests {
  @Test(arguments: StoreKind.here)
  func whatDoneJobsTook(kind: StoreKind) throws {
    let store = try TestStore(kind)
    let worker = try store.worker()
    #expect(try store.client.statistics(batch: nil) == [])
    var precise = request("b", model: "Zebra")
    precise.render.precision = .f32
    try store.client.enqueue(BatchRequest(), [request("a", model: "ant", count: 2), precise])
    try store.enqueue("c", model: "ant")
    try store.enqueue("d", model: "ant", priority: -1)
    for hits in [5, 7, 11] as [Int64] {
      let claimed = try #require(try worker.claim())
      var statistics = RenderStatistics()
      (statistics.cacheHits, statistics.bytesRead, statistics.peakBytes) = (hits, 1 << 40, hits)
      try worker.finish(
        claimed.lease,
        images: (0..<claimed.request.render.count).map { image($0, of: claimed.lease.job) },
        statistics: statistics, modelDigest: "d")
    }
    let all = try store.client.statistics(batch: nil)
    #expect(all.map(\.model) == ["Zebra", "ant"])
    #expect(all.map(\.precision) == [.f32, request("a").render.precision])
    #expect(all.map(\.jobs) == [1, 2] && all.map(\.images) == [1, 3])
    #expect(all.map(\.seconds) == [2.5, 7.5])
    #expect(all.map(\.denoisingSteps) == [1, 3].map { $0 * request("a").render.steps })
    #expect(all.map(\.statistics.cacheHits) == [7, 16] && all.map(\.statistics.peakBytes) == [7, 11])
    #expect(all.map(\.statistics.bytesRead) == [1 << 40, 2 << 40])
    let first = try store.client.statistics(batch: 1)
    #expect(first.map(\.images) == [1, 2] && first.map(\.seconds) == [2.5, 5])
    #expect(
      storeError { _ = try store.client.statistics(batch: 9) } == .notFound(thing: "batch", id: "9"))
  }

  @Test(arguments: StoreKind.here)
  func allOfABatchAsItWasAskedFor(kind: StoreKind) throws {
    let store = try TestStore(kind)
    try store.enqueue("before")
    let asked = [request("a"), request("b", count: 3), request("c", model: "other")]
    try store.client.enqueue(BatchRequest(), asked)
    let jobs = try store.client.jobs(batch: 2)
    #expect(jobs.map(\.id) == [2, 3, 4] && jobs.map(\.request) == asked)
    #expect(storeError { _ = try store.client.jobs(batch: 9) } == .notFound(thing: "batch", id: "9"))
  }

  @Test(arguments: StoreKind.here)
  func theStoreItself(kind: StoreKind) throws {
    let store = try TestStore(kind)
    let facts = try store.client.facts()
    #expect(facts.schema >= 1 && facts.bytes > 0)
    switch facts.place {
    case .file(let file): #expect(kind == .sqlite && file.journalMode == "wal" && file.faults == [])
    case .server(let server):
      #expect(kind != .sqlite && server.mayChange && !server.version.isEmpty)
      // A socket of this machine.
      #expect(server.isEncrypted == nil)
    }
  }
}
