import Foundation
import GRDB
import JobStore
import Migrations
import Testing

/// What is kept of renders under way.
@Suite struct CheckpointTests {
  private let state = Data([1, 2, 3])

  private func image(_ index: Int = 0) -> ImageRecord {
    ImageRecord(
      index: index, path: "/out/1/1-\(index).png", seed: 4, width: 8, height: 8,
      digest: String(repeating: "a", count: 64), bytes: 9, seconds: 1.5)
  }

  @Test func theNewestIsKeptThenTheFileAndNothingAfterTheEnd() throws {
    let queue = try TestQueue()
    try queue.enqueue("a")
    let claimed = try #require(try queue.claim())
    let job = claimed.job.id
    #expect(try queue.client.checkpoint(job: job, index: 0) == nil)
    for step in 1...2 {
      try queue.session().keep(state, step: step, index: 0, modelDigest: "m", claimed.lease)
    }
    #expect(try queue.client.checkpoint(job: job, index: 0) == .step(2, state: state, modelDigest: "m"))
    // Another attempt finds it.
    try queue.session().giveBack(claimed.lease)
    let again = try #require(try queue.claim())
    #expect(try queue.client.checkpoint(job: job, index: 0) == .step(2, state: state, modelDigest: "m"))
    try queue.session().announce(image(), step: 2, modelDigest: "m", again.lease)
    #expect(try queue.client.checkpoint(job: job, index: 0) == .file(image(), modelDigest: "m"))
    try queue.session().finish(again.lease, images: [image()], statistics: RenderStatistics())
    #expect(try queue.client.checkpoint(job: job, index: 0) == nil)
  }

  @Test func aLostLeaseKeepsNothing() throws {
    let queue = try TestQueue()
    try queue.enqueue("a")
    let late = try #require(try queue.claim("late"))
    queue.pass(seconds: 61)
    let claimed = try #require(try queue.claim("quick"))
    #expect(throws: JobStoreError.leaseLost(job: 1, worker: "late")) {
      try queue.session().keep(state, step: 1, index: 0, modelDigest: "m", late.lease)
    }
    #expect(throws: JobStoreError.leaseLost(job: 1, worker: "late")) {
      try queue.session().announce(image(), step: 1, modelDigest: "m", late.lease)
    }
    // Its file came too late: while the job lives it is the other's, afterwards nobody's.
    try queue.session().disown(image(), job: 1, modelDigest: "m")
    #expect(try queue.client.checkpoint(job: 1, index: 0) == nil)
    try queue.session().cancelled(claimed.lease)
    try queue.session().disown(image(), job: 1, modelDigest: "m")
    #expect(try queue.client.checkpoint(job: 1, index: 0) == .file(image(), modelDigest: "m"))
  }

  @Test func filesOfDeadJobsAreHandedOutOnce() throws {
    let queue = try TestQueue()
    try queue.enqueue("a")
    let claimed = try #require(try queue.claim())
    try queue.session().announce(image(), step: 2, modelDigest: "m", claimed.lease)
    try queue.session().keep(state, step: 1, index: 1, modelDigest: "m", claimed.lease)
    #expect(try queue.session().settleLeftovers(below: "/out") { _ in .forget } == 0)
    try queue.session().fail(claimed.lease, message: "x", kind: .badInput)
    #expect(try queue.client.checkpoint(job: 1, index: 1) == nil)
    // Not ours: it stays.
    #expect(try queue.session().settleLeftovers(below: "/out") { _ in .wait } == 0)
    var found: [Leftover] = []
    #expect(
      try queue.session().settleLeftovers(below: "/out") {
        found.append($0)
        return .forget
      } == 1)
    #expect(found.map(\.path) == ["/out/1/1-0.png"] && found.map(\.job) == [1])
    #expect(try queue.session().settleLeftovers(below: "/out") { _ in .forget } == 0)
  }

  /// Those of a daemon that is gone, or whose folder was moved, stay for good.
  @Test func filesOfOtherFoldersAreNotInTheWay() throws {
    let queue = try TestQueue()
    for number in 1...101 {
      try queue.enqueue("a")
      let claimed = try #require(try queue.claim())
      var left = image()
      left.path = number <= 100 ? "/elsewhere/\(number)/\(number)-0.png" : "/out/101/101-0.png"
      try queue.session().announce(left, step: 2, modelDigest: "m", claimed.lease)
      try queue.session().fail(claimed.lease, message: "x", kind: .badInput)
    }
    var found: [String] = []
    let removed = try queue.session().settleLeftovers(below: "/out") {
      found.append($0.path)
      return .forget
    }
    #expect(removed == 1 && found == ["/out/101/101-0.png"])
  }

  /// What is finished of a job that ends otherwise is its picture, and its next attempt starts from there.
  @Test func finishedPicturesOfACancelledJobStay() throws {
    let queue = try TestQueue()
    var asked = request("a")
    asked.render.count = 2
    _ = try queue.client.enqueue(BatchRequest(), requests: [asked])
    let claimed = try #require(try queue.claim())
    try queue.session().announce(image(), step: 2, modelDigest: "m", claimed.lease)
    #expect(try queue.client.cancellation(of: .job(1)).pictures == ["/out/1/1-0.png"])
    #expect(try queue.client.cancellation(of: .job(1)).outcome == Cancellation(cancelled: 0, stopping: 1))
    #expect(try queue.client.list()[0].tenure?.cancelRequested == false)
    _ = try queue.client.cancel(job: 1)
    try queue.session().cancelled(claimed.lease)
    #expect(
      try queue.session().settleLeftovers(below: "/out") { $0.isUnwanted ? .wait : .keep } == 1)
    #expect(try queue.client.details(job: 1).images == [image()])
    #expect(try queue.client.checkpoint(job: 1, index: 0) == nil)

    #expect(try queue.client.retrial(of: .batch(1)).count == 1)
    #expect(try queue.client.retrial(of: .batch(1)).pictures == ["/out/1/1-0.png"])
    #expect(try queue.client.retry(batch: 1) == 1)
    #expect(try queue.client.details(job: 1).images.isEmpty)
    #expect(try queue.client.checkpoint(job: 1, index: 0) == .file(image(), modelDigest: "m"))
  }

  @Test(arguments: [true, false]) func discardedPicturesAreHandedOut(isOver: Bool) throws {
    let queue = try TestQueue()
    try queue.enqueue("a")
    let claimed = try #require(try queue.claim())
    try queue.session().announce(image(), step: 2, modelDigest: "m", claimed.lease)
    // Before it is over, or when its pictures are kept already.
    _ = try queue.client.cancel(batch: 1, discard: !isOver)
    try queue.session().cancelled(claimed.lease)
    if isOver {
      #expect(try queue.session().settleLeftovers(below: "/out") { _ in .keep } == 1)
      _ = try queue.client.cancel(job: 1, discard: true)
    }
    #expect(
      try queue.session().settleLeftovers(below: "/out") { $0.isUnwanted ? .forget : .wait } == 1)
    #expect(try queue.client.details(job: 1).images.isEmpty)
    // Whoever wants it after all gets all of it.
    try queue.client.retry(job: 1)
    let again = try #require(try queue.claim())
    try queue.session().announce(image(), step: 2, modelDigest: "m", again.lease)
    try queue.session().fail(again.lease, message: "x", kind: .badInput)
    #expect(
      try queue.session().settleLeftovers(below: "/out") { $0.isUnwanted ? .wait : .keep } == 1)
  }

  /// Two workers finished the same picture, one of them late: neither file is forgotten.
  @Test func aSecondFileOfTheSamePictureStaysKnown() throws {
    let queue = try TestQueue()
    try queue.enqueue("a")
    let claimed = try #require(try queue.claim())
    try queue.session().announce(image(), step: 2, modelDigest: "m", claimed.lease)
    try queue.session().fail(claimed.lease, message: "x", kind: .badInput)
    #expect(try queue.session().settleLeftovers(below: "/out") { _ in .keep } == 1)
    var late = image()
    late.path = "/out/1/1-0-2.png"
    try queue.session().disown(late, job: 1, modelDigest: "m")
    #expect(try queue.session().settleLeftovers(below: "/out") { _ in .keep } == 1)
    #expect(try queue.client.details(job: 1).images == [late])
    var all = Retention()
    all.states = [.failed]
    #expect(
      try queue.client.expired(all, limit: 9)[0].paths.sorted() == ["/out/1/1-0-2.png", "/out/1/1-0.png"])
  }
}
