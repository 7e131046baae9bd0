import JobStore
import Testing

/// Workers with different models on one queue.
@Suite struct LackingModelTests {
  private func lack(_ queue: TestQueue, _ worker: String, _ model: String) throws {
    let claimed = try #require(try queue.session(worker).claim())
    #expect(claimed.request.render.model == model)
    try queue.session(worker).lack(model, reason: "no folder named \(model)", claimed.lease)
  }

  /// Each renders what it has; nothing is failed, held or counted.
  @Test func eachLeavesToOthersWhatItLacks() throws {
    let queue = try TestQueue()
    for index in 0..<6 {
      try queue.enqueue("\(index)", model: "a")
      try queue.enqueue("\(index)", model: "b")
    }
    _ = try queue.session("two")
    try lack(queue, "one", "a")
    for (worker, has, lacks) in [("one", "b", "a"), ("two", "a", "b")] {
      while let claimed = try queue.session(worker).claim(avoiding: [lacks], modelPatience: 0) {
        #expect(claimed.request.render.model == has && claimed.job.attempts == 1)
        try queue.session(worker).finish(
          claimed.lease, images: [image(0, of: claimed.job.id)], statistics: RenderStatistics())
        // The other lives.
        try queue.session("one").heartbeat()
        try queue.session("two").heartbeat()
      }
    }
    let counts = try queue.client.status().counts
    #expect(counts.done == 12 && counts.failed == 0)
    #expect(try queue.client.models().allSatisfy { $0.heldUntil == nil })
  }

  /// Only when every living worker has lacked it for long enough.
  @Test func aJobFailsWhenNobodyHasItsModel() throws {
    let queue = try TestQueue()
    _ = try queue.client.enqueue(BatchRequest(), requests: (0..<250).map { request("\($0)", model: "gone") })
    try queue.enqueue("fine", model: "there")
    try lack(queue, "one", "gone")
    #expect(try queue.client.list().first?.failure?.message == "no folder named gone")
    func turn(_ worker: String) throws -> ClaimedJob? {
      try queue.session(worker).claim(avoiding: ["gone"], modelPatience: 30)
    }
    let fine = try #require(try turn("one"))
    #expect(fine.request.render.model == "there")
    try queue.session("one").giveBack(fine.lease)
    try queue.client.setPriority(-1, job: 251)
    // Another lives and has not been asked.
    try queue.session("two").heartbeat()
    queue.pass(seconds: 31)
    _ = try turn("one").map { try queue.session("one").giveBack($0.lease) }
    #expect(try queue.client.status().counts.failed == 0)
    // Nor has it lacked it for long.
    try lack(queue, "two", "gone")
    try queue.session("one").heartbeat()
    _ = try turn("one").map { try queue.session("one").giveBack($0.lease) }
    #expect(try queue.client.status().counts.failed == 0)
    #expect(try queue.client.lackedModels().map(\.worker) == ["one", "two"])
    // Its files come: it waits on.
    queue.pass(seconds: 31)
    try queue.session("two").expect("gone")
    try queue.session("two").heartbeat()
    _ = try turn("one").map { try queue.session("one").giveBack($0.lease) }
    #expect(try queue.client.status().counts.failed == 0)
    queue.pass(seconds: 31)
    for worker in ["one", "two"] { try queue.session(worker).heartbeat() }
    for failed in [100, 200, 250] {
      let fine = try #require(try turn("one"))
      #expect(fine.request.render.model == "there")
      try queue.session("one").giveBack(fine.lease)
      #expect(try queue.client.status().counts.failed == failed)
    }
    let job = try queue.client.details(job: 1).job
    #expect(job.failure?.kind == .model && job.failure?.message.contains("no folder named gone") == true)
  }

  /// The dead do not count, and one that loads it forgets that it lacked it.
  @Test func theDeadDoNotCountAndASuccessForgets() throws {
    let queue = try TestQueue()
    try queue.enqueue("x", model: "gone")
    _ = try queue.session("dead")
    try lack(queue, "one", "gone")
    queue.pass(seconds: 61)
    try queue.session("one").heartbeat()
    #expect(try queue.session("one").claim(avoiding: ["gone"], modelPatience: 30) == nil)
    #expect(try queue.state(1) == .failed)
    try queue.session("one").register(ModelRecord(name: "gone"), loaded: true)
    #expect(try queue.client.lackedModels().isEmpty)
  }

  /// Priorities and the order of numbers hold among what is left; loaded models go first within the window.
  @Test func theOrderHoldsAmongTheRest() throws {
    let queue = try TestQueue()
    for (model, priority) in [("a", 0), ("b", 0), ("c", 0), ("a", 5), ("c", 5), ("b", 3)] {
      try queue.enqueue("\(model)\(priority)", model: model, priority: priority)
    }
    func next(_ preferred: [String] = []) throws -> String? {
      try queue.session().claim(preferredModels: preferred, avoiding: ["a"])?.request.render.prompt
    }
    #expect(try next() == "c5")
    #expect(try next(["c"]) == "b3")
    #expect(try next(["c"]) == "c0")
    #expect(try next() == "b0")
    #expect(try next() == nil)
  }
}
