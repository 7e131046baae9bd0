import Foundation
import JobStore
import Requests
import TestSupport
import Testing

/// What both stores promise of jobs whose settings are changed while they wait.
@Suite struct EditConformanceTests {
  @Test(arguments: StoreKind.here)
  func whatIsAskedForIsChangedAndNothingElse(kind: StoreKind) throws {
    let store = try TestStore(kind)
    try store.enqueue("a", "b")
    let start = Date().milliseconds + 3_600_000
    let edit = try store.client.edit(job: 1) { request in
      request.render.prompt = "a 'red' fox\\"
      (request.render.steps, request.render.scheduler, request.render.isPlainPrompt) = (30, .ddim, true)
      request.render.loras = [LoRAReference(path: "l", weight: 0.5)]
      (request.priority, request.maxAttempts, request.runAfter) = (5, 7, start)
    }
    var wanted = request("a 'red' fox\\")
    (wanted.render.steps, wanted.render.scheduler, wanted.render.isPlainPrompt) = (30, .ddim, true)
    wanted.render.loras = [LoRAReference(path: "l", weight: 0.5)]
    (wanted.priority, wanted.maxAttempts, wanted.runAfter) = (5, 7, start)
    let details = try store.client.details(job: 1)
    #expect(edit.request == wanted && details.job.request == wanted)
    #expect(details.job.runAfter == start)
    #expect(
      Set(edit.changes.map(\.name)) == [
        "prompt", "steps", "scheduler", "plain_prompt", "loras", "priority", "run_after", "max_attempts",
      ])
    #expect(edit.sources.isEmpty)
    let event = try #require(details.events.last)
    #expect(event.kind == .edited && event.detail?.contains("steps 25 to 30") == true)
    #expect(try store.client.details(job: 2).job.request == request("b"))
    // It waits for its time, and is then what was asked for.
    let worker = try store.worker()
    #expect(try worker.claim()?.lease.job == 2)
    #expect(try worker.claim() == nil)
    _ = try store.client.edit(job: 1) { $0.runAfter = 1 }
    #expect(try worker.awaitJob().request.render == wanted.render)
  }

  @Test(arguments: StoreKind.here)
  func aLookChangesNothing(kind: StoreKind) throws {
    let store = try TestStore(kind)
    try store.enqueue("a")
    let before = try store.client.details(job: 1)
    #expect(
      try store.client.plannedEdit(job: 1) { $0.render.guidance = 3 }.text == "guidance 7.5 to 3.0")
    #expect(try store.client.edit(job: 1) { $0.render.steps = 25 }.changes.isEmpty)
    #expect(try store.client.details(job: 1) == before)
  }

  @Test(arguments: StoreKind.here)
  func whatIsRefusedChangesNothing(kind: StoreKind) throws {
    struct Interrupted: Error {}
    let store = try TestStore(kind)
    try store.enqueue("a")
    let before = try store.client.details(job: 1)
    #expect(throws: RequestError.self) { try store.client.edit(job: 1) { $0.render.steps = 0 } }
    #expect(throws: RequestError.self) { try store.client.edit(job: 1) { $0.priority = .max } }
    #expect(throws: Interrupted.self) { try store.client.edit(job: 1) { _ in throw Interrupted() } }
    #expect(storeError { _ = try store.client.edit(job: 7) { _ in } } == .notFound(thing: "job", id: "7"))
    #expect(
      storeError { _ = try store.client.plannedEdit(job: 7) { _ in } } == .notFound(thing: "job", id: "7"))
    #expect(try store.client.details(job: 1) == before)
    // Nothing of it is held: it may be claimed.
    #expect(try store.worker().claim()?.lease.job == 1)
  }

  /// How a job has begun, or ended.
  static let beginnings = ["running", "done", "failed", "cancelled", "saved", "pictured", "again"]

  /// Pictures must not come to belong to other settings.
  @Test(arguments: StoreKind.here, beginnings)
  func whatHasBegunStaysAsItIs(kind: StoreKind, how: String) throws {
    let store = try TestStore(kind)
    try store.enqueue("a")
    let worker = try store.worker()
    if how == "cancelled" {
      _ = try store.client.cancel(.job(1), discard: false)
    } else {
      let claimed = try #require(try worker.claim())
      switch how {
      case "done": try worker.finish(claimed)
      case "again":
        try worker.finish(claimed)
        #expect(try store.client.retry(.job(1)) == 1)
      case "failed": try worker.fail(claimed.lease, message: "m", kind: .badInput, backoff: Backoff())
      case "saved":
        try worker.keep(Data([1]), step: 3, index: 0, modelDigest: "d", waiting: nil, claimed.lease)
        try worker.giveBack(claimed.lease)
      case "pictured":
        try worker.announce(image(0, of: 1), step: 25, modelDigest: "d", claimed.lease)
        try worker.giveBack(claimed.lease)
      default: break
      }
    }
    let isTouched = ["saved", "pictured", "again"].contains(how)
    let reason = isTouched ? "has pictures or saved steps already" : "is \(how)"
    let before = try store.client.details(job: 1)
    let error = storeError { _ = try store.client.edit(job: 1) { $0.render.steps = 30 } }
    #expect(error == .notEditable(job: 1, reason: reason))
    #expect(storeError { _ = try store.client.plannedEdit(job: 1) { _ in } } == error)
    #expect(try store.client.details(job: 1) == before)
  }

  @Test(arguments: StoreKind.here)
  func anEditedJobHasAllItsAttempts(kind: StoreKind) throws {
    let store = try TestStore(kind)
    try store.enqueue("a")
    let worker = try store.worker()
    var backoff = Backoff()
    backoff.first = 2
    for _ in 0..<2 {
      try worker.fail(worker.awaitJob().lease, message: "m", kind: .transient, backoff: backoff)
    }
    #expect(try store.client.details(job: 1).job.attempts == 2)
    _ = try store.client.edit(job: 1) { $0.render.width = 64 }
    let job = try store.client.details(job: 1).job
    #expect(job.attempts == 0 && job.losses == 0 && job.failure == nil && job.startedAt == nil)
    #expect(try worker.awaitJob().job.attempts == 1)
  }

  @Test(arguments: StoreKind.here)
  func theKeyAnswersForWhatWasAskedForFirst(kind: StoreKind) throws {
    let store = try TestStore(kind)
    try store.client.enqueue(BatchRequest(key: "k"), [request("a")])
    _ = try store.client.edit(job: 1) { $0.render.prompt = "b" }
    #expect(try !store.client.enqueue(BatchRequest(key: "k"), [request("a")]).isNew)
    #expect(
      storeError { try store.client.enqueue(BatchRequest(key: "k"), [request("b")]) }
        == .keyReused(key: "k", batch: 1))
  }

  /// Its turn is that of its new priority and model, and it waits with its batch as before.
  @Test(arguments: StoreKind.here)
  func itWaitsWhereItBelongs(kind: StoreKind) throws {
    let store = try TestStore(kind)
    let worker = try store.worker()
    try store.enqueue("a", "b", "c")
    try store.enqueue("d")
    _ = try store.client.edit(job: 3) { $0.render.model = "warm" }
    #expect(try worker.claim(preferring: ["warm"])?.lease.job == 3)
    try store.client.setPaused(true, batch: 1)
    _ = try store.client.edit(job: 2) { $0.priority = 5 }
    #expect(try worker.claim()?.lease.job == 4)
    #expect(try worker.claim() == nil)
    #expect(try store.client.details(job: 2).summary.isHeld)
    try store.client.setPaused(false, batch: 1)
    #expect(try worker.awaitJob().lease.job == 2)
    #expect(try worker.awaitJob().lease.job == 1)
    #expect(try store.client.status().counts.running == 4)
  }
}
