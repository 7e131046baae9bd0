import Foundation
import JobStore
import Requests
import Testing

@Suite struct EnqueueTests {
  @Test func everySettingComesBackAsItWas() throws {
    let queue = try TestQueue()
    var settings = RenderRequest(model: "/models/x y")
    settings.negativePrompt = "blurry"
    settings.width = 768
    settings.height = 64
    settings.steps = 3
    settings.guidance = 1.25
    settings.scheduler = .tcd
    settings.eta = 0.25
    settings.guidanceFrom = 0.125
    settings.guidanceUntil = 0.75
    settings.timesteps = NumberList([999, 500, 3])
    settings.deepCache = DeepCache(interval: 3, branch: 4)
    settings.tokenMerging = TokenMerging(ratio: 0.125, downsample: 2)
    settings.seed = .max
    settings.count = 4
    settings.precision = .int8
    settings.loras = [LoRAReference(path: "/l/ö\"'.safetensors", weight: -0.5)]
    settings.initImage = "/i.png"
    settings.strength = 0.5
    settings.mask = "/m.png"
    settings.originalSize = PixelSize(width: 1024, height: 768)
    settings.crop = PixelPoint(x: -8, y: 64)
    settings.targetSize = PixelSize(width: 512, height: 1)
    settings.memoryBudget = ByteCount(bytes: 4 << 30)
    settings.prompt = "ein Haus"
    settings.isPlainPrompt = true
    var wanted = JobRequest(settings)
    wanted.priority = -3
    wanted.maxAttempts = 7
    wanted.runAfter = queue.now + 5
    let batch = try queue.client.enqueue(BatchRequest(name: "n"), requests: [wanted])
    let job = try queue.client.details(job: batch.jobs.lowerBound).job
    #expect(job.request == wanted)
    #expect(job.batchName == "n")
    #expect(job.state == .queued)
  }

  @Test func everyScheduleComesBackAsItWas() throws {
    let queue = try TestQueue()
    for change: (inout RenderRequest) -> Void in [
      { $0.sigmas = .sgmUniform },
      { request in
        request.scheduler = .euler
        request.sigmaList = NumberList([14.615, 0.1, 0])
        request.steps = 2
      },
    ] {
      var settings = RenderRequest(model: "m", prompt: "p")
      change(&settings)
      let batch = try queue.client.enqueue(BatchRequest(), requests: [JobRequest(settings)])
      #expect(try queue.client.details(job: batch.jobs.lowerBound).job.request.render == settings)
    }
  }

  @Test func jobsAreNumberedInOrder() throws {
    let queue = try TestQueue()
    let first = try queue.enqueue("a", "b")
    let second = try queue.enqueue("c")
    #expect(first.batch == 1)
    #expect(first.jobs == 1...2)
    #expect(first.isNew)
    #expect(second.jobs == 3...3)
    #expect(try queue.client.list().map(\.prompt) == ["a", "b", "c"])
    #expect(try queue.client.batch(1).name == "batch-1")
  }

  @Test func allOrNothing() throws {
    struct Interrupted: Error {}
    let queue = try TestQueue()
    var left = 3
    #expect(throws: Interrupted.self) {
      try queue.client.enqueue(BatchRequest()) {
        left -= 1
        if left == 0 { throw Interrupted() }
        return request("p")
      }
    }
    var bad = request("p")
    bad.render.steps = 0
    #expect(throws: RequestError.self) {
      try queue.client.enqueue(BatchRequest(), requests: [request("good"), bad])
    }
    #expect(storeError { _ = try queue.client.enqueue(BatchRequest(), requests: []) } == .emptyBatch)
    #expect(try queue.client.list() == [])
    #expect(try queue.client.batches(limit: 9) == [])
    // What was staged then must not slip in now.
    #expect(try queue.enqueue("later").jobs == 1...1)
  }

  @Test func slowSourcesHoldNobodyUp() throws {
    let queue = try TestQueue()
    let other = try queue.another()
    var prompts = ["a", "b"]
    _ = try queue.client.enqueue(BatchRequest(name: "slow")) {
      // Would wait for the lock and fail if the enqueue held it.
      _ = try other.enqueue(BatchRequest(name: "quick"), requests: [request("q")])
      return prompts.popLast().map { request($0) }
    }
    #expect(try queue.client.batches(limit: 9).map(\.name) == ["quick", "quick", "quick", "slow"])
  }

  @Test func sameKeySameBatch() throws {
    let queue = try TestQueue()
    let named = BatchRequest(name: "n", key: "k")
    let first = try queue.client.enqueue(named, requests: [request("a"), request("b")])
    var later = request("b")
    later.runAfter = queue.now + 1000
    let again = try queue.another().enqueue(named, requests: [request("a"), later])
    #expect(first.isNew)
    #expect(!again.isNew)
    #expect(again.batch == first.batch)
    #expect(again.jobs == first.jobs)
    #expect(try queue.client.list().count == 2)
  }

  @Test(arguments: [["a"], ["a", "c"], ["ab", ""], ["b", "a"], ["a", "b", "c"]])
  func sameKeyOtherRequests(prompts: [String]) throws {
    let queue = try TestQueue()
    let named = BatchRequest(key: "k")
    _ = try queue.client.enqueue(named, requests: [request("a"), request("b")])
    let error = storeError { _ = try queue.client.enqueue(named, requests: prompts.map { request($0) }) }
    #expect(error == .keyReused(key: "k", batch: 1))
    #expect(try queue.client.list().count == 2)
  }

  @Test(arguments: ["", ".hidden", "a/b", "a\u{1B}b", "a\nb", String(repeating: "x", count: 101)])
  func namesThatCouldHurt(name: String) throws {
    let queue = try TestQueue()
    #expect(throws: JobStoreError.self) {
      try queue.client.enqueue(BatchRequest(name: name), requests: [request("p")])
    }
  }

  @Test(arguments: [
    "'; DROP TABLE jobs; --", "\u{1B}[2J\u{7}", "😀 e\u{301} ﷽", "%s %n \\ \"", " ", "a\nb", "{}",
  ])
  func promptsAreJustText(prompt: String) throws {
    let queue = try TestQueue()
    try queue.enqueue(prompt)
    #expect(try queue.client.list().map(\.prompt) == [prompt])
    #expect(try queue.claim()?.request.render.prompt == prompt)
  }

  @Test func otherConnectionsAreToldByDataVersion() throws {
    let queue = try TestQueue()
    let watcher = try queue.another()
    let before = try watcher.changeMark()
    #expect(try watcher.changeMark() == before)
    try queue.enqueue("a")
    #expect(try watcher.changeMark() != before)
  }
}
