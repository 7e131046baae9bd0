import GRDB
import JobStore
import Requests
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
      while let claimed = try queue.session(worker).claim(avoiding: .init(models: [lacks]), modelPatience: 0)
      {
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
      try queue.session(worker).claim(avoiding: .init(models: ["gone"]), modelPatience: 30)
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
    // The reason names whoever was asked, with what each says.
    #expect(job.failure?.kind == .model)
    #expect(
      job.failure?.message
        == "no living worker has had its model gone for 30 s: asked one: no folder named gone; two: no folder named gone"
    )
  }

  /// The dead do not count, and one that loads it forgets that it lacked it.
  @Test func theDeadDoNotCountAndASuccessForgets() throws {
    let queue = try TestQueue()
    try queue.enqueue("x", model: "gone")
    _ = try queue.session("dead")
    try lack(queue, "one", "gone")
    queue.pass(seconds: 61)
    try queue.session("one").heartbeat()
    #expect(try queue.session("one").claim(avoiding: .init(models: ["gone"]), modelPatience: 30) == nil)
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
      try queue.session().claim(preferredModels: preferred, avoiding: .init(models: ["a"]))?.request.render
        .prompt
    }
    #expect(try next() == "c5")
    #expect(try next(["c"]) == "b3")
    #expect(try next(["c"]) == "c0")
    #expect(try next() == "b0")
    #expect(try next() == nil)
  }

  /// A request with files beside its model.
  private func adding(_ prompt: String, _ change: (inout RenderRequest) -> Void = { _ in }) -> JobRequest {
    var result = request(prompt, model: "m")
    change(&result.render)
    return result
  }

  /// LoRAs, VAEs and learned words are lacked like models: jobs without them go on, those with them are left to others.
  @Test func filesBesideAModelAreLackedAsModelsAre() throws {
    let queue = try TestQueue()
    let (lora, vae, word) = ("style.safetensors", "/m/vae", "cat.pt")
    _ = try queue.client.enqueue(
      BatchRequest(),
      requests: [
        adding("lora") { $0.loras = [LoRAReference(path: "other"), LoRAReference(path: lora)] },
        adding("vae") { $0.vae = vae },
        adding("word") { $0.embeddings = [EmbeddingReference(path: word)] }, adding("plain"),
        adding(lora) { $0.loras = [LoRAReference(path: "other")] },
      ])
    // What is no JSON needs no file, and is for the claim to end.
    try queue.enqueue("broken", model: "m")
    try queue.sql { try $0.execute(sql: "UPDATE jobs SET loras = '{' WHERE id = 6") }
    let one = try queue.session("one")
    let lacked = WorkerSession.Lacked(files: [lora, vae, word])
    for (file, prompt) in [(lora, "lora"), (vae, "vae"), (word, "word")] {
      let job = try #require(try one.claim(avoiding: .init(files: lacked.files.subtracting([file]))))
      #expect(job.request.render.prompt == prompt)
      try one.lack(file, reason: "no file \(file)", job.lease)
    }
    var rendered: [String] = []
    while let job = try one.claim(avoiding: lacked) {
      rendered.append(job.request.render.prompt)
      try one.finish(job.lease, images: [image(0, of: job.job.id)], statistics: RenderStatistics())
    }
    #expect(rendered == ["plain", lora])
    let broken = try queue.sql { try String.fetchOne($0, sql: "SELECT state FROM jobs WHERE id = 6") }
    #expect(broken == "failed")
    // Another has them all.
    let two = try queue.session("two")
    #expect(try two.claim()?.request.render.prompt == "lora")
    // One that has rendered with a file lacks it no more.
    try one.register(ModelRecord(name: "m"), loaded: true, with: [lora])
    #expect(try queue.client.lackedModels().map(\.model) == [vae, word].sorted())
    // Nobody has the rest.
    for file in [vae, word] {
      try queue.sql {
        try $0.execute(sql: "INSERT INTO lacking_models VALUES ('two', ?, 0, 'nor here')", arguments: [file])
      }
    }
    queue.pass(seconds: 31)
    for worker in [one, two] { try worker.heartbeat() }
    _ = try two.claim(avoiding: lacked, modelPatience: 30)
    for (id, file) in [(Int64(2), vae), (3, word)] {
      let job = try queue.client.details(job: id).job
      #expect(job.state == .failed && job.failure?.kind == .badInput)
      #expect(
        job.failure?.message == "no living worker has had its file \(file) for 30 s: asked two: nor here; "
          + "one: no file \(file)")
    }
  }

  /// A render takes no companion that needs what this worker lacks: it would be given back and taken again for ever.
  @Test func noCompanionNeedsWhatIsLacked() throws {
    let queue = try TestQueue()
    _ = try queue.client.enqueue(
      BatchRequest(),
      requests: [
        adding("a"), adding("word") { $0.embeddings = [EmbeddingReference(path: "cat.pt")] }, adding("b"),
      ])
    let first = try #require(try queue.claim())
    let next = try queue.session().claimCompanion(of: first.request.render, without: ["cat.pt"])
    #expect(next?.request.render.prompt == "b")
  }
}
