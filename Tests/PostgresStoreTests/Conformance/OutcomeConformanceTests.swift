import Foundation
import JobStore
import Requests
import TestSupport
import Testing

/// What both stores promise of the ends of attempts.
@Suite struct OutcomeConformanceTests {
  @Test(arguments: StoreKind.here)
  func doneWithItsImages(kind: StoreKind) throws {
    let store = try TestStore(kind)
    let worker = try store.worker()
    try store.client.enqueue(BatchRequest(), [request("a", count: 2)])
    let claimed = try #require(try worker.claim())
    let lease = claimed.lease
    let progress = ImageProgress(
      index: 0, phase: .denoising, step: 3, steps: 25, secondsPerStep: 0.5, expectedEnd: 7)
    #expect(try worker.report(progress, waiting: 2, lease) == .carryOn)
    let running = try store.client.details(job: 1).summary
    #expect(running.images[0].step == 3 && running.images[0].phase == .denoising)
    try worker.announce(image(0, of: 1), step: 25, modelDigest: "d", lease)
    #expect(
      storeError {
        try worker.finish(lease, images: [image(0, of: 1)], statistics: RenderStatistics(), modelDigest: nil)
      } == .wrongImages(job: 1, expected: 2, found: 1))
    var statistics = RenderStatistics()
    (statistics.cacheHits, statistics.peakBytes) = (5, 1 << 40)
    let images = [image(0, of: 1), image(1, of: 1)]
    try worker.finish(lease, images: images, statistics: statistics, modelDigest: "digest")
    #expect(worker.leases.isEmpty)
    let details = try store.client.details(job: 1)
    #expect(details.images == images)
    #expect(details.job.state == .done && details.job.attempts == 1)
    #expect(details.job.completion?.modelDigest == "digest")
    #expect(details.job.completion?.statistics == statistics)
    #expect(details.summary.images.map(\.path) == ["/out/1-0.png", "/out/1-1.png"])
    #expect(details.events.map(\.kind) == [.enqueued, .claimed, .done])
    let counts = try store.client.batch(1).counts
    #expect(counts.done == 1 && counts.total == 1)
    #expect(
      storeError { _ = try worker.report(progress, waiting: 2, lease) } == .leaseLost(job: 1, worker: "w"))
  }

  @Test(arguments: StoreKind.here)
  func badInputEndsAJob(kind: StoreKind) throws {
    let store = try TestStore(kind)
    let worker = try store.worker()
    try store.enqueue("a")
    let lease = try #require(try worker.claim()).lease
    #expect(
      try worker.fail(lease, message: "no such\nfile", kind: .badInput, backoff: Backoff()) == .failed)
    let job = try store.client.details(job: 1).job
    #expect(job.state == .failed && job.attempts == 1)
    #expect(job.failure == JobFailure(message: "no such\\nfile", kind: .badInput))
    #expect(job.finishedAt != nil)
  }

  @Test(arguments: StoreKind.here)
  func otherFailuresAreTriedAgain(kind: StoreKind) throws {
    let store = try TestStore(kind)
    let worker = try store.worker()
    try store.enqueue("a")
    var backoff = Backoff()
    backoff.first = 2
    for attempt in 1...3 {
      let claimed = try worker.awaitJob()
      #expect(claimed.job.attempts == attempt)
      let outcome = try worker.fail(claimed.lease, message: "m", kind: .transient, backoff: backoff)
      if attempt == 3 {
        #expect(outcome == .failed)
      } else {
        let job = try store.client.details(job: 1).job
        #expect(outcome == .retrying(after: try #require(job.runAfter)))
        #expect(job.state == .queued && job.failure?.kind == .transient)
      }
    }
    let details = try store.client.details(job: 1)
    #expect(details.job.state == .failed && details.job.attempts == 3)
    #expect(
      details.events.filter { $0.kind == .claimed }.map(\.detail)
        == ["attempt 1 of 3", "attempt 2 of 3", "attempt 3 of 3"])
    #expect(
      details.events.map(\.kind) == [
        .enqueued, .claimed, .retrying, .claimed, .retrying, .claimed, .failed,
      ])
  }

  @Test(arguments: StoreKind.here)
  func whatIsGivenBackCountsNothing(kind: StoreKind) throws {
    let store = try TestStore(kind)
    let worker = try store.worker()
    try store.enqueue("a")
    for _ in 0..<5 { try worker.giveBack(#require(try worker.claim()).lease) }
    let job = try store.client.details(job: 1).job
    #expect(job.state == .queued && job.attempts == 0)
  }

  @Test(arguments: StoreKind.here)
  func aLapsedLeaseIsAnothers(kind: StoreKind) throws {
    let store = try TestStore(kind)
    let (late, other) = (try store.worker("late", lease: 0.2), try store.worker("other", pid: 11, lease: 0.2))
    try store.enqueue("a")
    let lease = try #require(try late.claim()).lease
    let again = try other.awaitJob()
    #expect(again.lease.job == 1 && again.lease != lease)
    #expect(again.job.losses == 1 && again.job.attempts == 2)
    #expect(again.job.failure?.kind == .lost)
    try late.beat()
    #expect(late.verdict(of: lease).lost)
    #expect(
      storeError { try late.announce(image(0, of: 1), step: 1, modelDigest: "d", lease) }
        == .leaseLost(job: 1, worker: "late"))
    #expect(
      storeError {
        try late.finish(
          lease, images: [image(0, of: 1)], statistics: RenderStatistics(), modelDigest: nil)
      } == .leaseLost(job: 1, worker: "late"))
    #expect(storeError { try late.giveBack(lease) } == .leaseLost(job: 1, worker: "late"))
    #expect(
      storeError { _ = try late.fail(lease, message: "m", kind: .transient, backoff: Backoff()) }
        == .leaseLost(job: 1, worker: "late"))
  }

  /// A worker may get its own lapsed job again, on another thread. The old attempt hears at the next beat that it is over,
  /// and the new one goes on.
  @Test(arguments: StoreKind.here)
  func aLapsedLeaseIsLostToItsOwnWorkerToo(kind: StoreKind) throws {
    let store = try TestStore(kind)
    let worker = try store.worker(lease: 0.2)
    try store.enqueue("a")
    let old = try #require(try worker.claim()).lease
    let new = try worker.awaitJob().lease
    #expect(new.job == 1 && new != old && Set(worker.leases) == [old, new])
    try worker.beat()
    #expect(worker.verdict(of: old) == .init(lost: true))
    #expect(worker.verdict(of: new) == .init())
    // What people want of the job is told to the attempt at hand.
    _ = try store.client.cancel(.job(1), discard: false)
    try worker.beat()
    #expect(worker.verdict(of: old) == .init(lost: true))
    #expect(worker.verdict(of: new) == .init(cancelled: true))
    #expect(storeError { try worker.giveBack(old) } == .leaseLost(job: 1, worker: "w"))
    try worker.cancelled(new)
    #expect(try store.state(1) == .cancelled)
  }

  @Test(arguments: StoreKind.here)
  func aBeatKeepsALease(kind: StoreKind) throws {
    let store = try TestStore(kind)
    let (keen, other) = (try store.worker("keen"), try store.worker("other", pid: 11))
    try store.enqueue("a")
    let claimed = try #require(try keen.claim())
    // Most of it is over, as if time had passed: no test can wait for that, and not come too late.
    let passed = 3_500_000 as Int64
    for _ in 0..<3 {
      try store.sql(
        kind == .sqlite
          ? "UPDATE jobs SET lease_expires = lease_expires - \(passed), lease_set_at = lease_set_at - \(passed)"
          : "UPDATE leases SET expires = expires - \(passed)")
      let before = try #require(try store.client.details(job: 1).job.tenure).leaseExpires
      #expect(try before < store.client.now() + 3_600_000 - passed + 1000)
      let now = try store.client.now()
      try keen.beat()
      #expect(!keen.verdict(of: claimed.lease).lost)
      #expect(try #require(try store.client.details(job: 1).job.tenure).leaseExpires >= now + 3_600_000)
      #expect(try other.claim() == nil)
    }
    try keen.finish(claimed)
  }

  /// The third loss without progress sets a job aside; a loss after progress forgives those before it.
  @Test(arguments: StoreKind.here)
  func lossesCountUnlessTheJobMovesForward(kind: StoreKind) throws {
    let store = try TestStore(kind)
    try store.enqueue("a")
    for losses in 0..<2 {
      let claimed = try #require(try store.worker().claim())
      #expect(claimed.job.losses == losses)
    }
    let worker = try store.worker()
    let claimed = try #require(try worker.claim())
    #expect(claimed.job.losses == 2 && claimed.job.attempts == 3)
    _ = try worker.keep(
      Data([0, 1, 255]), step: 4, index: 0, modelDigest: "d", waiting: nil, claimed.lease)
    for losses in 0..<3 {
      let claimed = try #require(try store.worker().claim())
      #expect(claimed.job.losses == losses)
      #expect(claimed.job.furthestStep == 4)
    }
    #expect(try store.worker().claim() == nil)
    let details = try store.client.details(job: 1)
    #expect(details.job.state == .failed && details.job.losses == 3)
    #expect(details.job.failure?.kind == .lost)
    #expect(details.events.count { $0.kind == .lost } == 6)
  }

  @Test(arguments: StoreKind.here)
  func aNoteStandsWhileAJobRuns(kind: StoreKind) throws {
    let store = try TestStore(kind)
    let worker = try store.worker()
    try store.enqueue("a")
    let claimed = try #require(try worker.claim())
    try worker.note("waits for room", claimed.lease)
    try worker.note(width: 64, height: 128, claimed.lease)
    let job = try store.client.details(job: 1).job
    #expect(job.failure == JobFailure(message: "waits for room", kind: .transient))
    #expect(job.request.render.width == 64 && job.request.render.height == 128)
    try worker.finish(claimed)
    #expect(try store.client.details(job: 1).job.failure == nil)
  }

  @Test(arguments: StoreKind.here)
  func aRefusedJobFails(kind: StoreKind) throws {
    let store = try TestStore(kind)
    let worker = try store.worker()
    try store.enqueue("a")
    try worker.refuse(#require(try worker.claim()).lease, message: "wrong row")
    #expect(try store.client.details(job: 1).job.failure == JobFailure(message: "wrong row", kind: .badInput))
  }
}
