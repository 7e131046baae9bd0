import Foundation
import GRDB
import JobStore
import Testing

@Suite struct OutcomeTests {
  @Test func doneMeansImagesNumbersAndState() throws {
    let queue = try TestQueue()
    _ = try queue.client.enqueue(BatchRequest(), requests: [request("a", count: 2)])
    let lease = try #require(try queue.claim()).lease
    try queue.session().report(ImageProgress(index: 0, phase: .writing, step: 25, steps: 25), lease)
    queue.pass(seconds: 8)
    var statistics = RenderStatistics()
    statistics.cacheHits = 10
    statistics.cacheMisses = 3
    statistics.cacheEvictions = 2
    statistics.bytesRead = 1 << 33
    statistics.stall = 40
    statistics.peakBytes = 5 << 30
    let digest = String(repeating: "d", count: 64)
    try queue.session().finish(
      lease, images: [image(1), image(0)], statistics: statistics, modelDigest: digest)

    let details = try queue.client.details(job: 1)
    #expect(details.job.state == .done)
    #expect(details.job.completion?.statistics == statistics)
    #expect(details.job.completion?.modelDigest == digest)
    #expect(details.job.finishedAt == queue.now)
    #expect(details.job.tenure == nil)
    #expect(details.images == [image(0), image(1)])
    #expect(details.summary.images.map(\.path) == ["/out/1-0.png", "/out/1-1.png"])
    #expect(details.summary.step == 50)
    #expect(details.events.last?.kind == .done)
  }

  /// An error quotes what somebody wrote into a file or a row: kept three times, it must not fill the database.
  @Test func messagesAreKeptAsOneBoundedLine() throws {
    let queue = try TestQueue()
    _ = try queue.client.enqueue(BatchRequest(), requests: [request("a")])
    let lease = try #require(try queue.claim()).lease
    try queue.session().note("waits\n\u{1B}[2J", lease)
    #expect(try queue.client.details(job: 1).job.failure?.message == #"waits\n\u{1B}[2J"#)
    let message = "tensor '\u{202E}\(String(repeating: "x\n", count: 1_000_000))' is wrong"
    try queue.session().fail(lease, message: message, kind: .model)
    let details = try queue.client.details(job: 1)
    let texts = [details.job.failure?.message, details.events.last?.detail]
    for text in texts {
      let text = try #require(text)
      #expect(text.utf8.count <= 2000 && text.contains("tensor '") && text.hasSuffix("' is wrong"))
      #expect(text.unicodeScalars.allSatisfy { $0.isASCII && $0.value >= 0x20 || $0 == "…" })
    }
  }

  @Test(arguments: [[], [0], [0, 1, 2], [1, 2]])
  func wrongImagesChangeNothing(indices: [Int]) throws {
    let queue = try TestQueue()
    _ = try queue.client.enqueue(BatchRequest(), requests: [request("a", count: 2)])
    let lease = try #require(try queue.claim()).lease
    let error = storeError {
      try queue.session().finish(lease, images: indices.map { image($0) }, statistics: RenderStatistics())
    }
    #expect(error == .wrongImages(job: 1, expected: 2, found: indices.count))
    #expect(try queue.state(1) == .running)
  }

  /// The second image breaks a constraint, so the first must not stay.
  @Test func finishingIsAllOrNothing() throws {
    let queue = try TestQueue()
    _ = try queue.client.enqueue(BatchRequest(), requests: [request("a", count: 2)])
    let lease = try #require(try queue.claim()).lease
    var short = image(1)
    short.digest = "short"
    #expect(throws: JobStoreError.self) {
      try queue.session().finish(lease, images: [image(0), short], statistics: RenderStatistics())
    }
    #expect(try queue.client.details(job: 1).images == [])
    #expect(try queue.state(1) == .running)
  }

  @Test func badInputIsNeverRetried() throws {
    let queue = try TestQueue()
    try queue.enqueue("a")
    let lease = try #require(try queue.claim()).lease
    #expect(try queue.session().fail(lease, message: "no such mask", kind: .badInput) == .failed)
    let job = try queue.client.details(job: 1).job
    #expect(job.state == .failed)
    #expect(job.failure?.message == "no such mask")
    #expect(job.failure?.kind == .badInput)
    #expect(try queue.client.failures(batch: 1) == [.badInput: 1])
    queue.pass(seconds: 1e6)
    #expect(try queue.claim() == nil)
  }

  @Test func transientErrorsAreRetriedWithGrowingPauses() throws {
    let queue = try TestQueue()
    try queue.enqueue("a")
    for attempt in 1...2 {
      let lease = try #require(try queue.claim()).lease
      let outcome = try queue.session().fail(lease, message: "disk full", kind: .transient)
      guard case .retrying(let after) = outcome else {
        Issue.record("\(outcome)")
        return
      }
      let whole = Backoff().pause(afterAttempts: attempt, chance: 1)
      #expect((whole / 2...whole).contains(after - queue.now))
      let job = try queue.client.details(job: 1).job
      #expect(job.state == .queued)
      #expect(job.failure?.message == "disk full")
      #expect(try queue.claim() == nil)
      queue.pass(seconds: Double(whole) / 1000)
    }
    let last = try #require(try queue.claim())
    #expect(last.job.attempts == 3)
    #expect(try queue.session().fail(last.lease, message: "disk full", kind: .transient) == .failed)
    #expect(try queue.state(1) == .failed)
  }

  @Test func aSuccessForgetsEarlierErrors() throws {
    let queue = try TestQueue()
    try queue.enqueue("a")
    try queue.session().fail(#require(try queue.claim()).lease, message: "m", kind: .transient)
    queue.pass(seconds: 60)
    let lease = try #require(try queue.claim()).lease
    try queue.session().finish(lease, images: [image(0)], statistics: RenderStatistics())
    let job = try queue.client.details(job: 1).job
    #expect(job.failure?.message == nil)
    #expect(job.failure?.kind == nil)
  }

  @Test func cancelRequestsReachTheWorker() throws {
    let queue = try TestQueue()
    try queue.enqueue("a")
    let lease = try #require(try queue.claim()).lease
    #expect(try queue.session().instruction(lease) == .carryOn)
    #expect(try queue.another().cancel(job: 1) == Cancellation(cancelled: 0, stopping: 1))
    #expect(try queue.session().instruction(lease) == .cancel)
    #expect(try queue.session().renew(lease) == .cancel)
    let progress = ImageProgress(index: 0, phase: .denoising, step: 1, steps: 25)
    #expect(try queue.session().report(progress, lease) == .cancel)
    try queue.session().cancelled(lease)
    #expect(try queue.state(1) == .cancelled)
  }

  @Test func afterACancelRequestNothingIsQueuedAgain() throws {
    let queue = try TestQueue()
    try queue.enqueue("a", "b", "c")
    let leases = try (0..<3).map { _ in try #require(try queue.claim()).lease }
    _ = try queue.client.cancel(batch: 1)
    #expect(try queue.session().fail(leases[0], message: "m", kind: .transient) == .cancelled)
    try queue.session().giveBack(leases[1])
    // Too late: the pictures are there.
    try queue.session().finish(leases[2], images: [image(0)], statistics: RenderStatistics())
    #expect(try queue.client.list().map(\.state) == [.cancelled, .cancelled, .done])
  }
}
