import JobStore
import Testing

/// What done jobs took, by model and precision.
@Suite struct StatisticsTests {
  private func finish(_ queue: TestQueue, model: String, count: Int, hits: Int64, peak: Int64) throws {
    _ = try queue.client.enqueue(BatchRequest(), requests: [request("a", model: model, count: count)])
    let claimed = try #require(try queue.claim())
    var statistics = RenderStatistics()
    statistics.cacheHits = hits
    statistics.cacheMisses = 2
    statistics.cacheBypasses = 1
    statistics.bytesRead = 1 << 33
    statistics.stall = 700
    statistics.peakBytes = peak
    try queue.session().finish(
      claimed.lease, images: (0..<count).map { image($0, of: claimed.job.id) }, statistics: statistics)
  }

  @Test func sumsByModelAndTheLargestPeak() throws {
    let queue = try TestQueue()
    try finish(queue, model: "b", count: 2, hits: 10, peak: 5 << 30)
    try finish(queue, model: "a", count: 1, hits: 7, peak: 1 << 30)
    try finish(queue, model: "b", count: 1, hits: 5, peak: 6 << 30)
    // Neither done nor counted.
    _ = try queue.client.enqueue(BatchRequest(), requests: [request("a", model: "b")])

    let all = try queue.client.statistics()
    #expect(all.map(\.model) == ["a", "b"])
    let b = try #require(all.last)
    #expect(b.jobs == 2 && b.images == 3 && b.seconds == 7.5 && b.denoisingSteps == 3 * 25)
    #expect(b.statistics.cacheHits == 15 && b.statistics.cacheMisses == 4)
    #expect(b.statistics.cacheBypasses == 2 && b.statistics.stall == 1400)
    #expect(b.statistics.bytesRead == 1 << 34 && b.statistics.peakBytes == 6 << 30)

    let batch = try queue.client.statistics(batch: 1)
    #expect(batch.count == 1 && batch.first?.statistics.cacheHits == 10)
    #expect(storeError { _ = try queue.client.statistics(batch: 99) } != nil)
  }

  @Test func nothingDoneIsAnEmptyList() throws {
    #expect(try TestQueue().client.statistics().isEmpty)
  }
}
