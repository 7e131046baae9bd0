import Foundation
import GRDB
import JobStore
import TestSupport
import Testing

/// Jobs wait for workers of a class of numerics: for a while for that of their resume state, and for ever for that of their
/// batch, if it has one.
@Suite struct NumericsTests {
  private let queue: TestQueue

  init() throws { queue = try TestQueue() }

  @discardableResult
  private func signOn(_ name: String, _ numerics: String?) throws -> WorkerSession {
    try queue.signOn(WorkerRecord(name: name, pid: 10, host: "h", version: "1", numerics: numerics))
  }

  /// A worker begins the next job, and gives it back with a resume state.
  private func interrupt(_ session: WorkerSession, step: Int = 3) throws {
    let claimed = try #require(try session.claim())
    try session.keep(Data([1]), step: step, index: 0, modelDigest: "m", claimed.lease)
    try session.giveBack(claimed.lease)
  }

  @Test func aResumeStateWaitsForItsClassAndNoLongerThanItsPatience() throws {
    let (a, b) = (try signOn("a", "1/avx2/x"), try signOn("b", "1/scalar/x"))
    try queue.enqueue("one", "two")
    try interrupt(a)
    // The other class takes what is not begun.
    #expect(try b.claim()?.job.id == 2)
    #expect(try b.claim() == nil)
    #expect(try b.nextDue(numericsPatience: 120) == queue.now + 60_000)  // the lease of job 2
    queue.pass(seconds: 50)
    #expect(try b.claim(numericsPatience: 60) == nil)
    #expect(try b.nextDue(numericsPatience: 5) == queue.now - 45_000)
    queue.pass(seconds: 10)
    #expect(try b.claim(numericsPatience: 60)?.job.id == 1)
  }

  @Test func itsOwnClassTakesItAtOnce() throws {
    let a = try signOn("a", "1/avx2/x")
    let other = try signOn("other", "1/avx2/x")
    try queue.enqueue("one")
    try interrupt(a)
    #expect(try other.claim()?.job.id == 1)
  }

  @Test func nobodyWaitsForAClassThatNoWorkerHasAnyMore() throws {
    let old = try signOn("w", "1/avx2/x")
    try queue.enqueue("one")
    try interrupt(old)
    // The daemon is upgraded: it signs on again, and is of another class.
    let new = try signOn("w", "2/avx2/x")
    #expect(try new.claim()?.job.id == 1)
  }

  /// A worker that vanished, rather than gave its job back; and an attempt that failed.
  @Test(arguments: [false, true]) func aLostOrFailedAttemptWaitsToo(isLost: Bool) throws {
    let (a, b) = (try signOn("a", "1/avx2/x"), try signOn("b", "1/scalar/x"))
    try queue.enqueue("one")
    let claimed = try #require(try a.claim())
    try a.keep(Data([1]), step: 3, index: 0, modelDigest: "m", claimed.lease)
    if isLost {
      queue.pass(seconds: 61)
    } else {
      try a.fail(claimed.lease, message: "m", kind: .transient, backoff: Backoff())
      queue.pass(seconds: 6)
    }
    #expect(try b.claim() == nil)
    #expect(try a.claim()?.job.id == 1)
  }

  /// A clock that is set back lengthens no wait.
  @Test func aClockThatIsSetBackEndsTheWait() throws {
    let (a, b) = (try signOn("a", "1/avx2/x"), try signOn("b", "1/scalar/x"))
    try queue.enqueue("one")
    try interrupt(a)
    queue.pass(seconds: -3600)
    #expect(try b.claim()?.job.id == 1)
  }

  @Test func aJobWithoutAResumeStateIsAnybodys() throws {
    let (a, b) = (try signOn("a", "1/avx2/x"), try signOn("b", "1/scalar/x"))
    try queue.enqueue("one")
    let claimed = try #require(try a.claim())
    try a.giveBack(claimed.lease)
    #expect(try b.claim()?.job.id == 1)
  }

  @Test func theFirstThatBeginsPinsItsBatch() throws {
    let (a, b) = (try signOn("a", "1/avx2/x"), try signOn("b", "1/scalar/x"))
    _ = try queue.client.enqueue(
      BatchRequest(hasOneNumerics: true), requests: ["one", "two", "three"].map { request($0) })
    try queue.enqueue("another batch")
    #expect(try a.claim()?.job.id == 1)
    // Jobs of the same model and size are no companions of another class's.
    #expect(try b.claimCompanion(of: request("x").render)?.job.id == 4)
    queue.pass(seconds: 50)
    try a.beat()
    #expect(try b.claim(numericsPatience: 0) == nil)
    #expect(try a.claim()?.job.id == 2)
    // What its worker lacks is looked for in another way; the class holds there, too.
    #expect(try b.claim(avoiding: .init(models: ["other"]), numericsPatience: 0) == nil)
    // A person lets one go.
    try queue.client.retry(job: 3)
    #expect(try b.claim()?.job.id == 3)
  }

  /// Given back without a state, by a stop before the first step: the batch's class holds all the same.
  @Test func aPinnedJobStaysPinned() throws {
    let (a, b) = (try signOn("a", "1/avx2/x"), try signOn("b", "1/scalar/x"))
    _ = try queue.client.enqueue(BatchRequest(hasOneNumerics: true), requests: [request("one")])
    let claimed = try #require(try a.claim())
    try a.giveBack(claimed.lease)
    queue.pass(seconds: 10_000)
    #expect(try b.claim() == nil)
    try a.signOff()
    #expect(try queue.client.list().first?.waitsFor == "a daemon of 1/avx2/x")
    try signOn("c", "1/avx2/x")
    #expect(try queue.client.list().first?.waitsFor == nil)
    #expect(try queue.claim("c")?.job.id == 1)
  }

  /// After an upgrade nobody is of the class that the batch began in.
  @Test func aBatchWhoseClassIsNobodysIsLetGo() throws {
    let a = try signOn("a", "1/avx2/x")
    let requests = ["one", "two", "three"].map { request($0) }
    _ = try queue.client.enqueue(BatchRequest(hasOneNumerics: true), requests: requests)
    let claimed = try #require(try a.claim())
    try a.fail(claimed.lease, message: "m", kind: .badInput)
    // While its daemon is there, a retry keeps the promise.
    #expect(try queue.client.retrial(of: .batch(1)).count == 1)
    #expect(try queue.client.retry(batch: 1) == 1)
    #expect(try queue.client.batch(1).waitsFor == nil && queue.client.waitingBatches().isEmpty)
    let new = try signOn("a", "2/avx2/x")
    #expect(try new.claim() == nil)
    #expect(try queue.client.batch(1).waitsFor == "a daemon of 1/avx2/x")
    #expect(try queue.client.waitingBatches().map(\.id) == [1])
    #expect(try queue.client.retrial(of: .batch(1)).count == 3)
    #expect(try queue.client.retry(batch: 1) == 3)
    #expect(try queue.client.batch(1).waitsFor == nil)
    #expect(try new.claim()?.job.id == 1)
    // The others are of its class now.
    #expect(try signOn("b", "3/scalar/x").claim() == nil)
    #expect(try new.claim()?.job.id == 2)
  }

  /// A state from before there were classes, as an upgrade leaves it: nobody waits, and an old daemon's row is no class.
  @Test func aStateOfNoKnownClassWaitsForNobody() throws {
    let (a, b) = (try signOn("a", nil), try signOn("b", "1/scalar/x"))
    try queue.enqueue("one")
    try interrupt(a)
    #expect(try queue.sql { try Bool.fetchOne($0, sql: "SELECT numerics IS NULL FROM jobs") } == true)
    #expect(try b.claim()?.job.id == 1)
  }

  /// A clock that is set forward ends a wait early, and keeps nobody waiting.
  @Test func aClockThatIsSetForwardEndsTheWait() throws {
    let (a, b) = (try signOn("a", "1/avx2/x"), try signOn("b", "1/scalar/x"))
    try queue.enqueue("one")
    try interrupt(a)
    queue.pass(seconds: 365 * 86_400)
    #expect(try b.claim()?.job.id == 1)
    #expect(try b.nextDue().map { $0 > queue.now } == true)
  }

  @Test func theClassOfAPictureIsKept() throws {
    let a = try signOn("a", "1/avx2/x")
    try queue.enqueue("one")
    let claimed = try #require(try a.claim())
    var picture = image(0)
    picture.numerics = "1/avx2/x"
    try a.announce(picture, step: 2, modelDigest: "m", claimed.lease)
    #expect(try queue.client.checkpoint(job: 1, index: 0) == .file(picture, modelDigest: "m"))
    try a.finish(claimed.lease, images: [picture], statistics: RenderStatistics())
    #expect(try queue.client.details(job: 1).images == [picture])
    // Rendered anew beside it, it is still known.
    try queue.client.retry(job: 1)
    #expect(
      try queue.sql { try String.fetchOne($0, sql: "SELECT numerics FROM former_images") } == "1/avx2/x")
  }
}
