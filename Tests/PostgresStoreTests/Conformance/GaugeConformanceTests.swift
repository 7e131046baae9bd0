import Foundation
import JobStore
import Requests
import TestSupport
import Testing

/// What whoever watches a queue, or starts daemons for it, is told of both stores.
@Suite struct GaugeConformanceTests {
  @Test(arguments: StoreKind.here)
  func gaugesSayWhatThereIsToDo(kind: StoreKind) throws {
    let store = try TestStore(kind)
    #expect(try store.client.gauges().due == 0)
    #expect(try store.client.gauges().dueSince == nil)
    #expect(try store.client.gauges().openBatches == 0)
    try store.enqueue("a", "b")
    var later = request("c")
    later.runAfter = Date(timeIntervalSinceNow: 86_400).milliseconds
    try store.client.enqueue(BatchRequest(), [later])
    try store.enqueue("d")
    try store.client.setPaused(true, batch: 3)
    var gauges = try store.client.gauges()
    #expect(gauges.due == 2 && gauges.counts.queued == 4 && gauges.openBatches == 3 && !gauges.isPaused)
    #expect(try gauges.dueSince == store.client.details(job: 1).job.createdAt)
    #expect(try gauges.counts == store.client.status().counts)

    let worker = try store.worker()
    let first = try #require(try worker.claim())
    gauges = try store.client.gauges()
    #expect(gauges.due == 1 && gauges.counts.running == 1)
    #expect(try gauges.dueSince == store.client.details(job: 2).job.createdAt)
    try store.client.setPaused(true, batch: nil)
    gauges = try store.client.gauges()
    #expect(gauges.isPaused && gauges.due == 0 && gauges.dueSince == nil && gauges.counts.running == 1)
    try store.client.setPaused(false, batch: nil)
    try worker.finish(first)
    try worker.finish(#require(try worker.claim()))
    gauges = try store.client.gauges()
    #expect(gauges.due == 0 && gauges.counts.done == 2 && gauges.openBatches == 2)
  }

  /// Nobody's upkeep has released them, and nobody would be started if they were not seen.
  @Test(arguments: StoreKind.here)
  func whatWaitsForNothingButADaemonIsDue(kind: StoreKind) throws {
    let store = try TestStore(kind)
    let worker = try store.worker()
    try store.client.enqueue(BatchRequest(name: "evening"), [request("a"), request("b")])
    try store.client.enqueue(BatchRequest(after: "evening"), [request("c"), request("d")])
    let first = try #require(try worker.claim())
    let second = try #require(try worker.claim())
    #expect(try store.client.gauges().due == 0)
    try worker.finish(first)
    #expect(try store.client.gauges().due == 0)
    try worker.finish(second)
    #expect(try store.client.gauges().due == 2)
    var soon = request("e")
    soon.runAfter = Date(timeIntervalSinceNow: 1).milliseconds
    try store.client.enqueue(BatchRequest(), [soon])
    while try store.client.gauges().due < 3 { usleep(20_000) }
    #expect(try store.client.gauges().counts.queued == 3)
  }
}
