import JobStore
import Testing

@Suite struct ModelTests {
  @Test func registeringKeepsWhatIsKnown() throws {
    let queue = try TestQueue()
    try queue.session().register(
      ModelRecord(name: "m", path: "/m", kind: "sd", digest: "d", bytes: 5, description: "2x1"), loaded: false
    )
    try queue.session().register(ModelRecord(name: "m"), loaded: true)
    let model = try #require(try queue.client.models().first)
    #expect(model.path == "/m")
    #expect(model.kind == "sd")
    #expect(model.digest == "d")
    #expect(model.bytes == 5)
    #expect(model.loadedAt == queue.now)
  }

  /// Fails the next job of the model.
  private func failLoading(_ queue: TestQueue) throws {
    let claimed = try #require(try queue.claim())
    #expect(claimed.request.render.model == "broken")
    try queue.session().fail(claimed.lease, message: "no unet", kind: .model)
  }

  @Test func aModelThatWontLoadDoesNotBurnTheQueue() throws {
    let queue = try TestQueue()
    _ = try queue.client.enqueue(
      BatchRequest(), requests: (0..<10).map { request("\($0)", model: "broken", priority: 1) })
    try queue.enqueue("fine", model: "works")
    for _ in 0..<WorkerSession.loadFailureLimit { try failLoading(queue) }

    // Now its jobs rest and the others go on; new ones of it rest as well.
    try queue.enqueue("new", model: "broken", priority: 9)
    #expect(try queue.claim()?.request.render.prompt == "fine")
    #expect(try queue.claim() == nil)
    let model = try #require(try queue.client.models().first { $0.name == "broken" })
    #expect(model.heldUntil == queue.now + WorkerSession.firstHold)
    #expect(model.loadError == "no unet")
    #expect(try queue.client.list().filter { $0.attempts > 0 && $0.model == "broken" }.count == 3)

    queue.pass(seconds: Double(WorkerSession.firstHold) / 1000)
    #expect(try queue.claim()?.request.render.prompt == "new")
  }

  @Test func theHoldGrowsAndASuccessEndsIt() throws {
    let queue = try TestQueue()
    _ = try queue.client.enqueue(
      BatchRequest(), requests: (0..<10).map { request("\($0)", model: "broken") })
    for _ in 0..<WorkerSession.loadFailureLimit { try failLoading(queue) }
    queue.pass(seconds: Double(WorkerSession.firstHold) / 1000)
    try failLoading(queue)
    #expect(try queue.client.models().first?.heldUntil == queue.now + 2 * WorkerSession.firstHold)
    #expect(try queue.claim() == nil)

    try queue.session().register(ModelRecord(name: "broken"), loaded: true)
    #expect(try queue.claim() != nil)
    let model = try #require(try queue.client.models().first)
    #expect(model.loadFailures == 0)
    #expect(model.heldUntil == nil)
    #expect(model.loadError == nil)
  }

  @Test func pausesAndHoldsAreIndependent() throws {
    let queue = try TestQueue()
    try queue.enqueue("a", "b", "c", "d", model: "broken")
    for _ in 0..<WorkerSession.loadFailureLimit { try failLoading(queue) }
    try queue.client.setPaused(true, batch: 1)
    try queue.session().register(ModelRecord(name: "broken"), loaded: true)
    queue.pass(seconds: 3600)
    #expect(try queue.claim() == nil)
    try queue.client.setPaused(false, batch: 1)
    #expect(try queue.claim() != nil)
  }
}
