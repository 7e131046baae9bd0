import Foundation
import JobStore
import Testing

@Suite struct LeaseTests {
  @Test func expiredJobsAreClaimedAgain() throws {
    let queue = try TestQueue()
    try queue.enqueue("a")
    _ = try queue.claim("dead")
    #expect(try queue.session().nextDue() == queue.now + 60_000)
    queue.pass(seconds: 59)
    #expect(try queue.claim("alive") == nil)
    queue.pass(seconds: 1)
    let second = try #require(try queue.claim("alive"))
    #expect(second.job.attempts == 2)
    #expect(second.job.losses == 1)
    #expect(try queue.client.details(job: 1).events.map(\.kind) == [.enqueued, .claimed, .lost, .claimed])
  }

  @Test func renewedLeasesHold() throws {
    let queue = try TestQueue()
    try queue.enqueue("a")
    let claimed = try #require(try queue.claim())
    for _ in 0..<5 {
      queue.pass(seconds: 50)
      #expect(try queue.session().renew(claimed.lease) == .carryOn)
    }
    #expect(try queue.claim("other") == nil)
  }

  /// The clock was an hour ahead, and is set right: the job of a dead worker waits a lease, not an hour.
  @Test func aClockSetBackKeepsNoJobForLong() throws {
    let queue = try TestQueue()
    try queue.enqueue("a")
    let host = WorkerRecord(name: "dead", pid: 1, host: "other", version: "1")
    try queue.signOn(host)
    _ = try queue.claim("dead")
    queue.pass(seconds: -3600)
    #expect(try queue.client.workers().first?.heartbeatAt ?? 0 > queue.now)
    try queue.session().shortenLeases()
    #expect(try queue.session().nextDue() == queue.now + 60_000)
    queue.pass(seconds: 59)
    #expect(try queue.claim("alive") == nil)
    queue.pass(seconds: 1)
    #expect(try queue.claim("alive")?.job.losses == 1)
    // Nor does it keep its name.
    try queue.signOn(host)
  }

  /// The machine slept for an hour, or its clock was late: who had no time to renew is not dead.
  @Test func aClockSetForwardTakesNoJobAway() throws {
    let queue = try TestQueue()
    try queue.enqueue("a")
    let claimed = try #require(try queue.claim("alive"))
    queue.pass(seconds: 3600)
    try queue.session().extendLeases()
    #expect(try queue.claim("other") == nil)
    queue.pass(seconds: 50)
    #expect(try queue.session().renew(claimed.lease) == .carryOn)
    // Of one who does not renew it runs out.
    queue.pass(seconds: 59)
    #expect(try queue.claim("other") == nil)
    queue.pass(seconds: 1)
    #expect(try queue.claim("other")?.job.losses == 1)
  }

  /// What a job waits for is seen while it runs, and gone when it is done.
  @Test func aNoteIsSeenUntilTheEnd() throws {
    let queue = try TestQueue()
    try queue.enqueue("a")
    let lease = try #require(try queue.claim()).lease
    try queue.session().note("no space left", lease)
    #expect(try queue.client.list().first?.failure?.message == "no space left")
    #expect(try queue.state(1) == .running)
    try queue.session().finish(lease, images: [image(0)], statistics: RenderStatistics())
    #expect(try queue.client.list().first?.failure?.message == nil)
  }

  static let lateWork: [@Sendable (WorkerSession, Lease) throws -> Void] = [
    { try $0.renew($1) },
    { _ = try $0.instruction($1) },
    { try $0.report(ImageProgress(index: 0, phase: .denoising, step: 1, steps: 25), $1) },
    { try $0.finish($1, images: [image(0)], statistics: RenderStatistics()) },
    { try $0.fail($1, message: "m", kind: .transient) },
    { try $0.giveBack($1) },
    { try $0.note("m", $1) },
    { try $0.cancelled($1) },
  ]

  @Test(arguments: lateWork.indices)
  func lateWorkersAreFencedOff(index: Int) throws {
    let queue = try TestQueue()
    try queue.enqueue("a")
    let late = try #require(try queue.claim("w")).lease
    queue.pass(seconds: 61)
    // Even when the next one goes by the same name.
    let current = try #require(try queue.claim("w"))
    let before = try queue.client.details(job: 1)
    #expect(storeError { try Self.lateWork[index](queue.session(), late) } == .leaseLost(job: 1, worker: "w"))
    #expect(try queue.client.details(job: 1) == before)
    try Self.lateWork[index](queue.session(), current.lease)
  }

  @Test(arguments: lateWork.indices)
  func nobodyHoldsTheLeaseOfAJobThatIsOver(index: Int) throws {
    let queue = try TestQueue()
    try queue.enqueue("a")
    let lease = try #require(try queue.claim()).lease
    try queue.session().finish(lease, images: [image(0)], statistics: RenderStatistics())
    #expect(
      storeError { try Self.lateWork[index](queue.session(), lease) } == .leaseLost(job: 1, worker: "w"))
    #expect(try queue.state(1) == .done)
  }

  @Test func anExpiredLeaseThatNobodyTookStillCounts() throws {
    let queue = try TestQueue()
    try queue.enqueue("a")
    let lease = try #require(try queue.claim()).lease
    queue.pass(seconds: 1000)
    try queue.session().finish(lease, images: [image(0)], statistics: RenderStatistics())
    #expect(try queue.state(1) == .done)
  }

  @Test func poisonIsSetAside() throws {
    let queue = try TestQueue()
    var poison = request("poison")
    poison.maxAttempts = 10
    _ = try queue.client.enqueue(BatchRequest(), requests: [poison, request("good")])
    for _ in 0..<WorkerSession.lossLimit {
      #expect(try queue.claim()?.request.render.prompt == "poison")
      queue.pass(seconds: 61)
    }
    #expect(try queue.claim()?.request.render.prompt == "good")
    let job = try queue.client.details(job: 1).job
    #expect(job.state == .failed)
    #expect(job.failure?.kind == .lost)
    #expect(job.losses == WorkerSession.lossLimit)
    #expect(job.failure?.message.contains("vanished") == true)
  }

  @Test func cancelledWhileItsWorkerDied() throws {
    let queue = try TestQueue()
    try queue.enqueue("a")
    _ = try queue.claim()
    _ = try queue.client.cancel(job: 1)
    queue.pass(seconds: 61)
    #expect(try queue.claim() == nil)
    #expect(try queue.state(1) == .cancelled)
  }

  @Test func givingBackCostsNoAttempt() throws {
    let queue = try TestQueue()
    try queue.enqueue("a")
    for _ in 0..<10 {
      let claimed = try #require(try queue.claim())
      #expect(claimed.job.attempts == 1)
      try queue.session().report(
        ImageProgress(index: 0, phase: .denoising, step: 9, steps: 25), claimed.lease)
      try queue.session().giveBack(claimed.lease)
      let job = try #require(try queue.client.list().first)
      #expect(job.state == .queued)
      #expect(job.attempts == 0)
      #expect(job.step == 0)
    }
  }

  @Test func progressIsSeenByOthers() throws {
    let queue = try TestQueue()
    _ = try queue.client.enqueue(BatchRequest(), requests: [request("a", count: 2)])
    let lease = try #require(try queue.claim()).lease
    var progress = ImageProgress(index: 1, phase: .denoising, step: 6, steps: 25)
    try queue.session().report(progress, lease)
    progress.step = 7
    progress.secondsPerStep = 0.5
    progress.expectedEnd = queue.now + 9000
    try queue.session().report(progress, lease)
    let job = try #require(try queue.another().list().first)
    #expect(job.images.map(\.step) == [0, 7])
    #expect(job.images.map(\.seed) == [0, 1])
    #expect(job.images[1].phase == .denoising)
    #expect(job.images[1].expectedEnd == queue.now + 9000)
    #expect((job.step, job.steps) == (7, 50))
  }
}
