import Foundation
import JobStore
import Requests
import TestSupport
import Testing

/// What both stores promise of workers with different models and files.
@Suite struct LackingConformanceTests {
  private func lack(_ worker: any JobWorker, _ model: String) throws {
    let claimed = try #require(try worker.claim())
    #expect(claimed.request.render.model == model)
    try worker.lack(model, reason: "no folder named \(model)", claimed.lease)
  }

  /// Each renders what it has; nothing is failed or counted.
  @Test(arguments: StoreKind.here)
  func eachLeavesToOthersWhatItLacks(kind: StoreKind) throws {
    let store = try TestStore(kind)
    for index in 0..<4 {
      try store.enqueue("\(index)", model: "a")
      try store.enqueue("\(index)", model: "b")
    }
    let (one, two) = (try store.worker("one"), try store.worker("two", pid: 11))
    try lack(one, "a")
    #expect(try store.client.details(job: 1).job.failure?.message == "no folder named a")
    for (worker, has, lacks) in [(one, "b", "a"), (two, "a", "b")] {
      while let claimed = try worker.claim(avoiding: [lacks], patience: 0) {
        #expect(claimed.request.render.model == has && claimed.job.attempts == 1)
        try worker.finish(claimed)
      }
    }
    let counts = try store.client.status().counts
    #expect(counts.done == 8 && counts.failed == 0)
    #expect(
      try store.client.lackedModels().map { [$0.worker, $0.model, $0.reason] } == [
        ["one", "a", "no folder named a"]
      ])
  }

  /// Only when every living worker has lacked it for long enough.
  @Test(arguments: StoreKind.here)
  func aJobFailsWhenNobodyHasItsModel(kind: StoreKind) throws {
    let store = try TestStore(kind)
    try store.client.enqueue(BatchRequest(), (0..<250).map { request("\($0)", model: "gone") })
    try store.enqueue("fine", model: "there", priority: -1)
    let (one, two) = (try store.worker("one"), try store.worker("two", pid: 11))
    try lack(one, "gone")
    func expectFailed(_ count: Int, after patience: Double) throws {
      // Both live, however long the steps before took.
      for worker in [one, two] { try worker.beat() }
      let fine = try #require(try one.claim(avoiding: ["gone"], patience: patience))
      #expect(fine.request.render.model == "there")
      try one.giveBack(fine.lease)
      #expect(try store.client.status().counts.failed == count)
    }
    // Another lives and has not been asked.
    try expectFailed(0, after: 0)
    try lack(two, "gone")
    // Neither has lacked it for long.
    try expectFailed(0, after: 3600)
    // A paused queue fails nothing.
    try store.client.setPaused(true, batch: nil)
    #expect(try one.claim(avoiding: ["gone"], patience: 0) == nil)
    #expect(try store.client.status().counts.failed == 0)
    try store.client.setPaused(false, batch: nil)
    for failed in [100, 200, 250, 250] { try expectFailed(failed, after: 0) }
    let details = try store.client.details(job: 1)
    // The reason names whoever was asked, with what each says.
    #expect(details.job.state == .failed && details.job.attempts == 0)
    #expect(
      details.job.failure
        == JobFailure(
          message:
            "no living worker has had its model gone: asked one: no folder named gone; two: no folder named gone",
          kind: .model))
    #expect(details.events.last?.kind == .failed && details.events.last?.worker == "one")
    // It may be retried, like any other.
    #expect(try store.client.retry(.job(1)) == 1)
    #expect(try two.claim()?.lease.job == 1)
  }

  /// What an earlier attempt has finished of a job that is given up is not forgotten.
  @Test(arguments: StoreKind.here)
  func picturesOfAJobThatIsGivenUp(kind: StoreKind) throws {
    let store = try TestStore(kind)
    let worker = try store.worker()
    try store.enqueue("x", model: "gone")
    let lease = try #require(try worker.claim()).lease
    var finished = image(0, of: 1)
    // Where a daemon puts it.
    finished.path = "/out/1/1-0.png"
    try worker.announce(finished, step: 25, modelDigest: "d", lease)
    try worker.lack("gone", reason: "it was removed", lease)
    #expect(try worker.claim(avoiding: ["gone"], patience: 0) == nil)
    #expect(try store.state(1) == .failed)
    #expect(try worker.settleLeftovers(below: "/out") { $0.isUnwanted ? .forget : .keep } == 1)
    #expect(try store.client.details(job: 1).images == [finished])
  }

  /// Whose files change waits on.
  @Test(arguments: StoreKind.here)
  func whatIsExpectedIsWaitedFor(kind: StoreKind) throws {
    let store = try TestStore(kind)
    try store.enqueue("x", model: "gone")
    let worker = try store.worker()
    try lack(worker, "gone")
    usleep(500_000)
    let change = Date().milliseconds
    try worker.expect("gone")
    while try store.state(1) == .queued {
      #expect(try worker.claim(avoiding: ["gone"], patience: 1) == nil)
      usleep(50_000)
    }
    // It counts from the change, not from the first time that it was missed.
    #expect(Date().milliseconds >= change + 1000)
    #expect(try store.client.details(job: 1).job.failure?.message.contains("for 1 s") == true)
  }

  /// Those that have stopped do not count; one that loads it forgets that it lacked it, and so does one that starts anew.
  @Test(arguments: StoreKind.here)
  func theStoppedDoNotCountAndASuccessForgets(kind: StoreKind) throws {
    let store = try TestStore(kind)
    try store.enqueue("x", "y", model: "gone")
    let (one, two) = (try store.worker("one"), try store.worker("two", pid: 11))
    try lack(one, "gone")
    try two.beat()
    #expect(try one.claim(avoiding: ["gone"], patience: 0) == nil)
    #expect(try store.state(1) == .queued)
    try two.signOff()
    #expect(try one.claim(avoiding: ["gone"], patience: 0) == nil)
    #expect(try store.state(1) == .failed && store.state(2) == .failed)
    try one.register(ModelRecord(name: "gone"), loaded: false, with: [])
    #expect(try store.client.lackedModels().map(\.model) == ["gone"])
    try one.register(ModelRecord(name: "gone"), loaded: true, with: [])
    #expect(try store.client.lackedModels().isEmpty)
    try store.enqueue("z", model: "gone")
    try lack(one, "gone")
    let again = try store.worker("one")
    #expect(try store.client.lackedModels().isEmpty)
    #expect(try again.claim()?.request.render.prompt == "z")
  }

  /// A job that was cancelled meanwhile is not queued again.
  @Test(arguments: StoreKind.here)
  func aCancelledJobEnds(kind: StoreKind) throws {
    let store = try TestStore(kind)
    try store.enqueue("x", model: "gone")
    let worker = try store.worker()
    let claimed = try #require(try worker.claim())
    _ = try store.client.cancel(.job(1), discard: false)
    try worker.lack("gone", reason: "m", claimed.lease)
    #expect(try store.state(1) == .cancelled)
    #expect(worker.leases.isEmpty)
  }

  /// Priorities and the order of numbers hold among what is left; loaded models go first within the window.
  @Test(arguments: StoreKind.here)
  func theOrderHoldsAmongTheRest(kind: StoreKind) throws {
    let store = try TestStore(kind)
    for (model, priority) in [("a", 0), ("b", 0), ("c", 0), ("a", 5), ("c", 5), ("b", 3)] {
      try store.enqueue("\(model)\(priority)", model: model, priority: priority)
    }
    let worker = try store.worker()
    func next(_ preferred: [String] = []) throws -> String? {
      try worker.claim(preferring: preferred, avoiding: ["a"])?.request.render.prompt
    }
    #expect(try next() == "c5")
    #expect(try next(["c"]) == "b3")
    #expect(try next(["c"]) == "c0")
    #expect(try next() == "b0")
    #expect(try next() == nil)
  }

  /// LoRAs, VAEs and learned words are lacked like models: jobs without them go on, those with them are left to others.
  @Test(arguments: StoreKind.here)
  func filesBesideAModelAreLackedAsModelsAre(kind: StoreKind) throws {
    let store = try TestStore(kind)
    let (lora, vae, word) = ("a \"style\".safetensors", "/m/vae", "cat.pt")
    var requests = ["lora", "vae", "word", "plain", lora].map { request($0) }
    requests[0].render.loras = [LoRAReference(path: "other"), LoRAReference(path: lora)]
    requests[1].render.vae = vae
    requests[2].render.embeddings = [EmbeddingReference(path: word)]
    requests[4].render.loras = [LoRAReference(path: "other")]
    try store.client.enqueue(BatchRequest(), requests)
    let one = try store.worker("one")
    let lacked: Set = [lora, vae, word]
    for (file, prompt) in [(lora, "lora"), (vae, "vae"), (word, "word")] {
      let job = try #require(try one.claim(files: lacked.subtracting([file])))
      #expect(job.request.render.prompt == prompt)
      try one.lack(file, reason: "no file \(file)", job.lease)
    }
    var rendered: [String] = []
    while let job = try one.claim(files: lacked, patience: 3600) {
      rendered.append(job.request.render.prompt)
      try one.finish(job)
    }
    #expect(rendered == ["plain", lora])
    // Another has them all.
    let two = try store.worker("two", pid: 11)
    let first = try #require(try two.claim())
    #expect(first.request.render.prompt == "lora")
    // One that has rendered with a file lacks it no more.
    try one.register(ModelRecord(name: "demo"), loaded: true, with: [lora])
    #expect(try store.client.lackedModels().map(\.model) == [vae, word].sorted())
    // Nobody has the rest.
    for file in [vae, word] {
      let job = try #require(try two.claim(files: lacked.subtracting([file])))
      try two.lack(file, reason: "nor here", job.lease)
    }
    for worker in [one, two] { try worker.beat() }
    #expect(try two.claim(files: [vae, word], patience: 0) == nil)
    for (id, file) in [(Int64(2), vae), (3, word)] {
      let job = try store.client.details(job: id).job
      #expect(job.state == .failed && job.failure?.kind == .badInput)
      #expect(
        job.failure?.message
          == "no living worker has had its file \(file): asked two: nor here; one: no file \(file)")
    }
    #expect(try store.state(1) == .running)
  }
}
