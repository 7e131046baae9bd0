import GRDB
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

  /// A person holds a model: its jobs wait, new ones too, and the others go on.
  private func hold(_ queue: TestQueue, seconds: Int64) throws {
    let until = queue.now + seconds * 1000
    try queue.sql { db in
      try db.execute(
        sql: """
          INSERT INTO models (name, registered_at, held_until) VALUES ('broken', 0, ?1)
          ON CONFLICT DO UPDATE SET held_until = ?1;
          """, arguments: [until])
      try db.execute(sql: "UPDATE jobs SET held = held | 2 WHERE model = 'broken' AND state = 'queued'")
    }
  }

  @Test func aHeldModelWaits() throws {
    let queue = try TestQueue()
    try queue.enqueue("a", model: "broken", priority: 1)
    try queue.enqueue("fine", model: "works")
    try hold(queue, seconds: 60)
    try queue.enqueue("new", model: "broken", priority: 9)
    #expect(try queue.claim()?.request.render.prompt == "fine")
    #expect(try queue.claim() == nil)
    queue.pass(seconds: 60)
    #expect(try queue.claim()?.request.render.prompt == "new")
  }

  @Test func aSuccessEndsTheHold() throws {
    let queue = try TestQueue()
    try queue.enqueue("a", model: "broken")
    try hold(queue, seconds: 60)
    #expect(try queue.claim() == nil)
    try queue.session().register(ModelRecord(name: "broken"), loaded: true)
    #expect(try queue.claim() != nil)
    #expect(try queue.client.models().first?.heldUntil == nil)
  }

  @Test func pausesAndHoldsAreIndependent() throws {
    let queue = try TestQueue()
    try queue.enqueue("a", "b", "c", "d", model: "broken")
    try hold(queue, seconds: 60)
    try queue.client.setPaused(true, batch: 1)
    try queue.session().register(ModelRecord(name: "broken"), loaded: true)
    queue.pass(seconds: 3600)
    #expect(try queue.claim() == nil)
    try queue.client.setPaused(false, batch: 1)
    #expect(try queue.claim() != nil)
  }

  /// However often a model fails to load: nobody counts, and nothing is held. Whoever lacks it leaves it to others.
  @Test func failuresHoldNothing() throws {
    let queue = try TestQueue()
    _ = try queue.client.enqueue(
      BatchRequest(), requests: (0..<10).map { request("\($0)", model: "broken") })
    for _ in 0..<5 {
      try queue.session().fail(#require(try queue.claim()).lease, message: "no unet", kind: .model)
    }
    #expect(try queue.client.models().isEmpty)
    #expect(try queue.claim() != nil)
  }
}
