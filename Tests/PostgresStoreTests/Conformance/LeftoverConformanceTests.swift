import Foundation
import JobStore
import Requests
import TestSupport
import Testing

/// What both stores promise of pictures and states that an attempt leaves behind.
@Suite struct LeftoverConformanceTests {
  @Test(arguments: StoreKind.here)
  func aStateComesBackAsItWas(kind: StoreKind) throws {
    let store = try TestStore(kind)
    let worker = try store.worker()
    try store.client.enqueue(BatchRequest(), [request("a", count: 2)])
    let lease = try #require(try worker.claim()).lease
    let state = Data((0..<1000).map { UInt8(truncatingIfNeeded: $0) })
    for step in [3, 4] {
      try worker.keep(state, step: step, index: 0, modelDigest: "d", waiting: nil, lease)
    }
    try worker.announce(image(1, of: 1), step: 25, modelDigest: "e", lease)
    try worker.giveBack(lease)
    #expect(
      try worker.queue.checkpoint(job: 1, index: 0) == .step(4, state: state, modelDigest: "d"))
    #expect(
      try store.client.checkpoint(job: 1, index: 1) == .file(image(1, of: 1), modelDigest: "e"))
    #expect(try store.client.checkpoint(job: 1, index: 2) == nil)
    let again = try #require(try worker.claim())
    // A picture that is rendered anew has no file any more.
    try worker.keep(state, step: 1, index: 1, modelDigest: "d", waiting: nil, again.lease)
    #expect(
      try store.client.checkpoint(job: 1, index: 1) == .step(1, state: state, modelDigest: "d"))
    try worker.finish(again)
    #expect(try store.client.checkpoint(job: 1, index: 0) == nil)
  }

  /// Finished pictures of a failed job become its images; of one that nobody wants they are forgotten.
  @Test(arguments: StoreKind.here)
  func finishedPicturesOfJobsThatEnded(kind: StoreKind) throws {
    let store = try TestStore(kind)
    let worker = try store.worker()
    try store.client.enqueue(
      BatchRequest(), (1...3).map { request("\($0)", count: 2) })
    for job in Int64(1)...3 {
      let lease = try #require(try worker.claim()).lease
      var finished = image(0, of: job)
      // Where a daemon puts it, or where another does.
      finished.path = job == 3 ? "/elsewhere/1/3-0.png" : "/out/1/\(job)-0.png"
      try worker.announce(finished, step: 25, modelDigest: "d", lease)
      if job == 2 {
        _ = try store.client.cancel(.job(2), discard: true)
        try worker.cancelled(lease)
      } else {
        try worker.fail(lease, message: "m", kind: .badInput, backoff: Backoff())
      }
    }
    var judged: [Leftover] = []
    #expect(
      try worker.settleLeftovers(below: "/out") { leftover in
        judged.append(leftover)
        return leftover.job == 1 ? .wait : .forget
      } == 1)
    // In any order.
    judged.sort { $0.job < $1.job }
    #expect(judged.map(\.job) == [1, 2])
    #expect(judged.map(\.isUnwanted) == [false, true])
    #expect(judged.allSatisfy { $0.batch == 1 && $0.index == 0 && $0.bytes == 1000 && !$0.isPatterned })
    #expect(try worker.settleLeftovers(below: "/out") { _ in .keep } == 1)
    #expect(try worker.settleLeftovers(below: "/out") { _ in .keep } == 0)
    #expect(try store.client.details(job: 1).images.map(\.path) == ["/out/1/1-0.png"])
    #expect(try store.client.details(job: 2).images == [])
    // A retried job need not render what is there.
    #expect(try store.client.retrial(of: .job(1)).pictures == ["/out/1/1-0.png"])
    #expect(try store.client.retry(.job(1)) == 1)
    #expect(try store.client.details(job: 1).images == [])
    guard case .file(let kept, _)? = try store.client.checkpoint(job: 1, index: 0) else {
      Issue.record("it is not known any more")
      return
    }
    #expect(kept.path == "/out/1/1-0.png")
  }

  /// A file that got its name after its job had ended is not lost.
  @Test(arguments: StoreKind.here)
  func aFileThatCameTooLate(kind: StoreKind) throws {
    let store = try TestStore(kind)
    let worker = try store.worker()
    try store.enqueue("a", "b")
    let failed = try #require(try worker.claim()).lease
    try worker.fail(failed, message: "m", kind: .badInput, backoff: Backoff())
    try worker.disown(image(0, of: 1), job: 1, modelDigest: "d")
    try worker.disown(image(0, of: 2), job: 2, modelDigest: "d")
    #expect(
      try store.client.checkpoint(job: 1, index: 0) == .file(image(0, of: 1), modelDigest: "d"))
    // Whoever renders the other makes its own.
    #expect(try store.client.checkpoint(job: 2, index: 0) == nil)
  }

  /// Whoever ends with the queue asks for it: no upkeep has run since.
  @Test(arguments: StoreKind.here)
  func aBatchIsDueAsSoonAsTheOneBeforeItIsOver(kind: StoreKind) throws {
    let store = try TestStore(kind)
    let worker = try store.worker()
    try store.client.enqueue(BatchRequest(name: "first"), [request("a")])
    try store.client.enqueue(BatchRequest(after: "first"), [request("b")])
    let first = try #require(try worker.claim())
    #expect(try worker.claim() == nil)
    try worker.finish(first)
    if let second = try worker.claim() {
      #expect(second.lease.job == 2)
    } else {
      #expect(try worker.nextDue(numericsPatience: 0) != nil)
      #expect(try worker.awaitJob().lease.job == 2)
    }
  }

  @Test(arguments: StoreKind.here)
  func aSecondConnectionHasTheSameLeases(kind: StoreKind) throws {
    let store = try TestStore(kind)
    let worker = try store.worker()
    try store.enqueue("a", "b")
    let claimed = try #require(try worker.claim())
    let side = try worker.beside()
    #expect(side.leases == [claimed.lease])
    #expect(try side.running(among: [1, 2, 99]) == [1])
    side.learn(.init(cancelled: true), of: claimed.lease)
    #expect(worker.verdict(of: claimed.lease).cancelled)
    try side.finish(claimed)
    #expect(worker.leases.isEmpty)
    try side.close()
    #expect(try worker.claim()?.lease.job == 2)
    guard case .closed? = storeError({ _ = try side.claim() }) else {
      Issue.record("a closed connection is used")
      return
    }
  }

  /// A waiting worker hears of what is new, and knows when a time comes.
  @Test(arguments: StoreKind.here)
  func aWaitingWorkerIsWoken(kind: StoreKind) throws {
    let store = try TestStore(kind)
    let (worker, other) = (try store.worker(), try store.worker("v", pid: 11))
    _ = try worker.claim()
    // Until upkeep has come to rest.
    let mark = try worker.changeMark()
    #expect(try worker.nextDue(numericsPatience: 120) == nil)
    try store.enqueue("a")
    #expect(try worker.changeMark() != mark)
    let claimed = try #require(try worker.claim())
    try other.introduce("models: none")
    #expect(try store.client.introductions()["v"]?.hasSuffix("models: none") == true)
    let expires = try #require(try store.client.details(job: 1).job.tenure?.leaseExpires)
    #expect(try worker.nextDue(numericsPatience: 120) == expires)
    try other.heartbeat()
    // A mark is of one connection.
    let before = try other.changeMark()
    try worker.giveBack(claimed.lease)
    #expect(try other.changeMark() != before)
    #expect(try worker.failedJobs() == 0)
    try worker.refuse(#require(try worker.claim()).lease, message: "m")
    #expect(try worker.failedJobs() == 1)
    try worker.verify()
  }

  @Test(arguments: StoreKind.here)
  func whatAWorkerLacksItLeaves(kind: StoreKind) throws {
    let store = try TestStore(kind)
    let worker = try store.worker()
    try store.enqueue("a", model: "gone")
    let claimed = try #require(try worker.claim())
    try worker.lack("gone", reason: "there is no model gone", claimed.lease)
    #expect(worker.leases.isEmpty)
    let job = try store.client.details(job: 1).job
    #expect(job.state == .queued && job.attempts == 0)
    #expect(job.failure == JobFailure(message: "there is no model gone", kind: .model))
    #expect(try worker.claim(avoiding: ["gone"]) == nil)
    #expect(try worker.claim()?.lease.job == 1)
  }
}
