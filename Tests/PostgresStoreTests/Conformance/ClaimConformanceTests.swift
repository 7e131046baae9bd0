import Foundation
import JobStore
import Requests
import TestSupport
import Testing

/// What both stores promise of claims.
@Suite struct ClaimConformanceTests {
  @Test(arguments: StoreKind.here)
  func priorityFirstThenOrder(kind: StoreKind) throws {
    let store = try TestStore(kind)
    let worker = try store.worker()
    try store.enqueue("low", priority: -1)
    try store.enqueue("a", "b")
    try store.enqueue("high", priority: 5)
    let prompts = try (0..<4).map { _ in try worker.claim()?.request.render.prompt }
    #expect(prompts == ["high", "a", "b", "low"])
    #expect(try worker.claim() == nil)
  }

  @Test(arguments: StoreKind.here)
  func aClaimIsAnAttemptWithALease(kind: StoreKind) throws {
    let store = try TestStore(kind)
    let worker = try store.worker("w1", lease: 60)
    try store.enqueue("a")
    let claimed = try #require(try worker.claim())
    #expect(claimed.lease.worker == "w1")
    #expect(claimed.job.state == .running)
    #expect(claimed.job.attempts == 1)
    #expect(claimed.job.tenure?.worker == "w1")
    #expect(claimed.job.tenure?.leaseExpires == claimed.job.startedAt.map { $0 + 60_000 })
    #expect(worker.leases == [claimed.lease])
    #expect(try worker.instruction(claimed.lease) == .carryOn)
    #expect(try store.client.details(job: 1).events.map(\.kind) == [.enqueued, .claimed])
    let counts = try store.client.status().counts
    #expect(counts.running == 1 && counts.total == 1)
  }

  /// Every setting comes back as it went in, and every text.
  @Test(arguments: StoreKind.here)
  func whatIsAskedForIsClaimed(kind: StoreKind) throws {
    var odd = RenderRequest(
      model: "/models/it's \"here\"", prompt: "tab\tline\nreturn\rslash\\N \\. $1 'quoted' ünï 🐈 {a,b}")
    (odd.negativePrompt, odd.width, odd.height, odd.steps) = ("", 8, 1024, 7)
    (odd.guidance, odd.guidanceRescale, odd.guidanceFrom, odd.guidanceUntil) = (-1.25, 0.1, 1e-7, 0.3)
    (odd.scheduler, odd.eta) = (.ddim, 0.5)
    (odd.seed, odd.variationSeed, odd.variationStrength) = (.max, 1 << 63, 0.1)
    (odd.count, odd.precision, odd.clipSkip, odd.isPlainPrompt) = (3, .int8, 2, true)
    odd.loras = [LoRAReference(path: "/l/{\"x\"}.safetensors", weight: 0.3)]
    odd.embeddings = [EmbeddingReference(path: "/e.safetensors", token: "<cat>")]
    (odd.vae, odd.initImage, odd.strength, odd.mask) = ("/v", "/i.png", 0.4, "/m.png")
    odd.memoryBudget = ByteCount(bytes: 5_000_000_000)
    var request = JobRequest(odd)
    (request.priority, request.maxAttempts) = (-7, 100)
    let store = try TestStore(kind)
    try store.client.enqueue(BatchRequest(), [request])
    let claimed = try #require(try store.worker().claim())
    #expect(claimed.request == request)
    #expect(try store.client.details(job: 1).job.request == request)
  }

  @Test(arguments: StoreKind.here)
  func notBeforeItsTime(kind: StoreKind) throws {
    let store = try TestStore(kind)
    var later = request("later", priority: 9)
    later.runAfter = Date().milliseconds + 3_600_000
    try store.client.enqueue(BatchRequest(), [later, request("now")])
    #expect(try store.client.details(job: 1).job.runAfter == later.runAfter)
    let worker = try store.worker()
    #expect(try worker.awaitJob().request.render.prompt == "now")
    #expect(try worker.claim() == nil)
    // The time comes.
    let time = Date().milliseconds + 700
    _ = try store.client.edit(job: 1) { $0.runAfter = time }
    #expect(try store.client.details(job: 1).job.runAfter == time)
    #expect(try worker.awaitJob().request.render.prompt == "later")
    #expect(Date().milliseconds >= time)
  }

  @Test(arguments: StoreKind.here)
  func pausedQueuesAndBatchesRest(kind: StoreKind) throws {
    let store = try TestStore(kind)
    let worker = try store.worker()
    try store.enqueue("a")
    try store.enqueue("b")
    try store.client.setPaused(true, batch: 1)
    #expect(try store.client.list(JobFilter()).map(\.isHeld) == [true, false])
    #expect(try worker.claim()?.request.render.prompt == "b")
    try store.client.setPaused(true, batch: nil)
    try store.client.setPaused(false, batch: 1)
    #expect(try worker.claim() == nil)
    #expect(try store.client.status().isPaused)
    #expect(try store.client.pause(batch: nil) == (true, 1))
    try store.client.setPaused(false, batch: nil)
    #expect(try worker.claim()?.request.render.prompt == "a")
    #expect(
      storeError { try store.client.setPaused(true, batch: 9) } == .notFound(thing: "batch", id: "9"))
  }

  /// A job that comes back into a paused batch waits with it.
  @Test(arguments: StoreKind.here)
  func aPausedBatchKeepsWhatComesBack(kind: StoreKind) throws {
    let store = try TestStore(kind)
    let worker = try store.worker()
    try store.enqueue("a")
    let claimed = try #require(try worker.claim())
    try store.client.setPaused(true, batch: 1)
    try worker.giveBack(claimed.lease)
    #expect(try worker.claim() == nil)
    try store.client.setPaused(false, batch: 1)
    #expect(try worker.claim()?.lease.job == 1)
  }

  @Test(arguments: StoreKind.here)
  func loadedModelsFirstButNotForEver(kind: StoreKind) throws {
    let store = try TestStore(kind)
    let worker = try store.worker()
    try store.enqueue("other", model: "cold")
    try store.client.enqueue(
      BatchRequest(), (0..<300).map { request("\($0)", model: $0 == 299 ? "far" : "warm") })
    try store.enqueue("urgent", model: "cold", priority: 1)
    // A higher priority goes before a loaded model.
    #expect(try worker.claim(preferring: ["warm"])?.request.render.prompt == "urgent")
    var overtakers = 0
    while let job = try worker.claim(preferring: ["warm"]), job.request.render.prompt != "other" {
      overtakers += 1
    }
    #expect(overtakers == Int(WorkerSession.overtakingWindow))
    #expect(try worker.claim(preferring: [])?.request.render.prompt == "256")
    #expect(try worker.claim(preferring: ["far"])?.request.render.prompt == "299")
  }

  @Test(arguments: StoreKind.here)
  func lackedModelsAreLeftToOthers(kind: StoreKind) throws {
    let store = try TestStore(kind)
    let (worker, other) = (try store.worker("w"), try store.worker("v", pid: 11))
    try store.enqueue("a", model: "gone \"x\"", priority: 3)
    try store.enqueue("b")
    #expect(try worker.claim(avoiding: ["gone \"x\""])?.request.render.prompt == "b")
    #expect(try worker.claim(avoiding: ["gone \"x\""]) == nil)
    #expect(try other.claim()?.request.render.prompt == "a")
  }

  @Test(arguments: StoreKind.here)
  func beyondTheLimitsNothingIsRendered(kind: StoreKind) throws {
    let store = try TestStore(kind)
    try store.enqueue("too large", "right")
    var limits = RenderLimits()
    limits.promptBytes = 6
    let worker = try store.worker()
    #expect(try worker.claim(limits: limits)?.request.render.prompt == "right")
    let details = try store.client.details(job: 1)
    #expect(details.job.state == .failed)
    #expect(details.job.failure?.kind == .badInput)
    #expect(worker.leases.map(\.job) == [2])
  }

  @Test(arguments: StoreKind.here)
  func oneClassOfNumericsForABatch(kind: StoreKind) throws {
    let store = try TestStore(kind)
    let (one, other) = (try store.worker("w", class: "avx2"), try store.worker("v", pid: 11, class: "scalar"))
    try store.client.enqueue(BatchRequest(hasOneNumerics: true), [request("a"), request("b")])
    #expect(try one.claim()?.request.render.prompt == "a")
    #expect(try other.claim() == nil)
    #expect(try one.claim()?.request.render.prompt == "b")
  }

  @Test(arguments: StoreKind.here)
  func aBatchAfterAnother(kind: StoreKind) throws {
    let store = try TestStore(kind)
    let worker = try store.worker()
    try store.client.enqueue(BatchRequest(name: "first"), [request("a")])
    try store.client.enqueue(BatchRequest(after: "fir"), [request("b")])
    #expect(try store.client.batch(2).waitsFor == "batch first")
    #expect(try store.client.list(JobFilter()).map(\.waitsFor) == [nil, "batch first"])
    let first = try #require(try worker.claim())
    #expect(first.request.render.prompt == "a")
    #expect(try worker.claim() == nil)
    try worker.finish(first)
    #expect(try worker.awaitJob().request.render.prompt == "b")
    #expect(try store.client.batch(2).waitsFor == nil)
  }

  @Test(arguments: StoreKind.here)
  func aLiveNameIsTaken(kind: StoreKind) throws {
    let store = try TestStore(kind)
    let worker = try store.worker("w", pid: 10)
    try worker.beat()
    #expect(
      storeError { _ = try store.worker("w", pid: 11) } == .workerNameTaken(name: "w", host: "h", pid: 10))
    try worker.signOff()
    #expect(try store.client.workers().map(\.state) == [.stopped])
    _ = try store.worker("w", pid: 11)
    #expect(try store.client.introductions()["w"]?.contains("process 11 on h") == true)
  }
}
