import Foundation
import JobStore
import Requests
import TestSupport
import Testing

/// What both stores promise of jobs that go through a model together.
@Suite struct CompanionConformanceTests {
  private func companion(
    _ worker: any JobWorker, of claimed: ClaimedJob, without files: Set<String> = [],
    limits: RenderLimits = RenderLimits(), waits: Bool = true
  ) throws -> Int64? {
    try worker.claimCompanion(of: claimed.request.render, limits: limits, without: files, waits: waits)?.lease
      .job
  }

  /// Queues a plain job and one for each change, claims the first, and says which of the others go with it.
  private func companions(
    _ kind: StoreKind, of first: (inout JobRequest) -> Void = { _ in },
    _ changes: [(inout JobRequest) -> Void]
  ) throws -> [Int64] {
    let store = try TestStore(kind)
    var requests = [request("first")]
    first(&requests[0])
    for change in changes {
      var other = requests[0]
      change(&other)
      requests.append(other)
    }
    try store.client.enqueue(BatchRequest(), requests)
    let worker = try store.worker()
    let claimed = try #require(try worker.claim())
    var found: [Int64] = []
    while let job = try companion(worker, of: claimed) { found.append(job) }
    #expect(worker.leases.map(\.job) == [1] + found)
    return found
  }

  /// Whatever changes neither weights nor shapes may differ.
  @Test(arguments: StoreKind.here)
  func differentRequestsOfOneShapeGoTogether(kind: StoreKind) throws {
    let found = try companions(
      kind,
      [
        { $0.render.prompt = "other" }, { $0.render.seed = .max }, { $0.render.steps = 3 },
        { ($0.render.scheduler, $0.render.guidance) = (.ddim, 1) }, { $0.render.count = 4 },
        { $0.render.negativePrompt = "no" }, { $0.render.tokenMerging = TokenMerging(ratio: 0.5) },
        { $0.render.initImage = "/i.png" }, { $0.render.embeddings = [EmbeddingReference(path: "e")] },
        { $0.maxAttempts = 9 },
      ])
    #expect(found == Array(2...11))
  }

  @Test(arguments: StoreKind.here)
  func otherWeightsAndShapesGoAlone(kind: StoreKind) throws {
    let found = try companions(
      kind,
      [
        { $0.render.model = "other" }, { $0.render.width = 256 }, { $0.render.height = 256 },
        { $0.render.width = nil }, { $0.render.precision = .int8 }, { $0.render.vae = "/v" },
        { $0.render.loras = [LoRAReference(path: "l")] },
        { $0.render.memoryBudget = ByteCount(bytes: 1 << 30) },
        { $0.render.deepCache = DeepCache(interval: 2) }, { $0.priority = -1 },
      ])
    #expect(found == [])
  }

  @Test(arguments: StoreKind.here)
  func theSameOddSettingsGoTogether(kind: StoreKind) throws {
    let odd: (inout JobRequest) -> Void = {
      ($0.render.vae, $0.render.deepCache) = ("/v 'x'", DeepCache(interval: 3))
      $0.render.loras = [LoRAReference(path: "a \"b\"\\", weight: 0.25)]
      ($0.render.memoryBudget, $0.render.precision) = (ByteCount(bytes: 3 << 30), .bf16)
    }
    let found = try companions(
      kind, of: odd,
      [{ $0.render.seed = 5 }, { $0.render.deepCache?.branch = 1 }, { $0.render.loras[0].weight = 0.5 }])
    #expect(found == [2])
  }

  /// The size of a starting picture is not known yet.
  @Test(arguments: StoreKind.here)
  func aSizeThatNobodyGave(kind: StoreKind) throws {
    let open: (inout JobRequest) -> Void = { ($0.render.width, $0.render.height) = (nil, nil) }
    #expect(try companions(kind, of: open, [{ $0.render.initImage = "/i.png" }, { _ in }]) == [3])
    let pictured: (inout JobRequest) -> Void = {
      open(&$0)
      $0.render.initImage = "/i.png"
    }
    #expect(try companions(kind, of: pictured, [{ _ in }, { $0.render.initImage = nil }]) == [])
  }

  /// One that may have killed its worker must not take others with it when it does so again.
  @Test(arguments: StoreKind.here)
  func aJobThatLostItsWorkerIsNobodysCompanion(kind: StoreKind) throws {
    let store = try TestStore(kind)
    try store.enqueue("a", "b", "c")
    let dead = try store.worker("dead")
    for _ in 0..<2 { _ = try dead.claim() }
    _ = try store.worker("dead")
    let worker = try store.worker()
    let first = try #require(try worker.claim())
    #expect(first.lease.job == 1 && first.job.losses == 1)
    #expect(try companion(worker, of: first) == 3)
    #expect(try companion(worker, of: first) == nil)
    #expect(try worker.claim()?.lease.job == 2)
  }

  /// Each has a lease of its own, and ends for itself.
  @Test(arguments: StoreKind.here)
  func eachHasItsOwnLease(kind: StoreKind) throws {
    let store = try TestStore(kind)
    let worker = try store.worker("w")
    try store.enqueue("a", "b", "c")
    let first = try #require(try worker.claim())
    let others = try (0..<2).map { _ in
      try #require(
        try worker.claimCompanion(
          of: first.request.render, limits: RenderLimits(), without: [], waits: false))
    }
    #expect(others.map(\.job.attempts) == [1, 1])
    #expect(others.map(\.request.render.prompt) == ["b", "c"])
    #expect(try worker.running(among: [1, 2, 3]) == [1, 2, 3])
    _ = try store.client.cancel(.job(2), discard: false)
    try worker.beat()
    #expect(worker.leases.map { worker.verdict(of: $0).cancelled } == [false, true, false])
    #expect(worker.leases.allSatisfy { !worker.verdict(of: $0).lost })
    try worker.cancelled(others[0].lease)
    try worker.finish(first)
    try worker.giveBack(others[1].lease)
    #expect(try (1...3).map { try store.state($0) } == [.done, .cancelled, .queued])
    #expect(worker.leases.isEmpty)
    #expect(try store.client.details(job: 2).events.map(\.kind).contains(.claimed))
  }

  /// While one of more priority is due, nobody goes along.
  @Test(arguments: StoreKind.here)
  func theTurnOfOthersComesAllTheSame(kind: StoreKind) throws {
    let store = try TestStore(kind)
    let worker = try store.worker()
    try store.client.enqueue(BatchRequest(), (0..<3).map { request("\($0)") })
    let first = try #require(try worker.claim())
    try store.enqueue("urgent", model: "other", priority: 1)
    #expect(try companion(worker, of: first) == nil)
    #expect(try worker.claim()?.request.render.prompt == "urgent")
    #expect(try companion(worker, of: first) == 2)
    #expect(try companion(worker, of: first) == 3)
  }

  @Test(arguments: StoreKind.here)
  func beyondTheWindowNobodyGoesAlong(kind: StoreKind) throws {
    let store = try TestStore(kind)
    let worker = try store.worker()
    try store.client.enqueue(
      BatchRequest(),
      (0..<260).map { request("\($0)", model: [0, 257, 258].contains($0) ? "demo" : "other") })
    let first = try #require(try worker.claim())
    // The head is job 2: 258 is within 256 of it, 259 is not.
    #expect(try companion(worker, of: first) == 258)
    #expect(try companion(worker, of: first) == nil)
  }

  @Test(arguments: StoreKind.here)
  func whatRestsOrIsForOthersIsLeft(kind: StoreKind) throws {
    let store = try TestStore(kind)
    let (worker, other) = (
      try store.worker("w", class: "avx2"), try store.worker("v", pid: 11, class: "scalar")
    )
    try store.client.enqueue(BatchRequest(hasOneNumerics: true), (0..<3).map { request("\($0)") })
    try store.enqueue("plain")
    try store.enqueue("paused")
    let first = try #require(try worker.claim())
    try store.client.setPaused(true, batch: 3)
    #expect(try companion(other, of: first) == 4)
    #expect(try companion(other, of: first) == nil)
    try store.client.setPaused(true, batch: nil)
    #expect(try companion(worker, of: first) == nil)
    try store.client.setPaused(false, batch: nil)
    #expect(try companion(worker, of: first) == 2)
    #expect(try companion(worker, of: first) == 3)
    #expect(try companion(worker, of: first) == nil)
  }

  /// A companion pins its batch to the worker's class, as any claim does.
  @Test(arguments: StoreKind.here)
  func aCompanionPinsItsBatch(kind: StoreKind) throws {
    let store = try TestStore(kind)
    let (worker, other) = (
      try store.worker("w", class: "avx2"), try store.worker("v", pid: 11, class: "scalar")
    )
    try store.enqueue("a")
    try store.client.enqueue(BatchRequest(hasOneNumerics: true), [request("b"), request("c")])
    let first = try #require(try worker.claim())
    #expect(try companion(worker, of: first) == 2)
    #expect(try other.claim() == nil)
    #expect(try worker.claim()?.lease.job == 3)
  }

  /// A render takes no companion that needs what this worker lacks: it would be given back and taken again for ever.
  @Test(arguments: StoreKind.here)
  func noCompanionNeedsWhatIsLacked(kind: StoreKind) throws {
    let store = try TestStore(kind)
    var word = request("word")
    word.render.embeddings = [EmbeddingReference(path: "cat.pt")]
    try store.client.enqueue(BatchRequest(), [request("a"), word, request("b")])
    let worker = try store.worker()
    let first = try #require(try worker.claim())
    #expect(try companion(worker, of: first, without: ["cat.pt"]) == 3)
    #expect(try companion(worker, of: first, without: ["cat.pt"]) == nil)
    #expect(try companion(worker, of: first, without: ["dog.pt"]) == 2)
  }

  @Test(arguments: StoreKind.here)
  func beyondTheLimitsNothingGoesAlong(kind: StoreKind) throws {
    let store = try TestStore(kind)
    try store.enqueue("first", "too large", "right")
    var limits = RenderLimits()
    limits.promptBytes = 6
    let worker = try store.worker()
    let first = try #require(try worker.claim(limits: limits))
    #expect(try companion(worker, of: first, limits: limits) == 3)
    #expect(try store.client.details(job: 2).job.failure?.kind == .badInput)
    #expect(worker.leases.map(\.job) == [1, 3])
  }
}
