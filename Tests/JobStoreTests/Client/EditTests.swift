import Foundation
import GRDB
import JobStore
import Requests
import Testing

/// Jobs whose settings are changed while they wait.
@Suite struct EditTests {
  private static let card = "segmind/SegMoE-4x2-v0"
  private static var exact: String { "\(card)@\(String(repeating: "a", count: 40))" }

  private func held(_ queue: TestQueue, _ job: Int64 = 1) throws -> Int? {
    try queue.sql { try Int.fetchOne($0, sql: "SELECT held FROM jobs WHERE id = ?", arguments: [job]) }
  }

  /// The sources of all batches: what they name, and how many jobs do.
  private func sources(_ queue: TestQueue) throws -> [String: Int] {
    try queue.sql { db in
      try Row.fetchAll(
        db,
        sql:
          "SELECT source, (SELECT count(*) FROM job_sources WHERE source = sources.id) AS jobs FROM sources"
      ).reduce(into: [:]) { $0[$1["source"]] = $1["jobs"] }
    }
  }

  @Test func whatIsAskedForIsChangedAndNothingElse() throws {
    let queue = try TestQueue()
    try queue.enqueue("a", "b")
    let start = queue.now + 60_000
    let edit = try queue.client.edit(job: 1) { request in
      request.render.prompt = "a red fox"
      request.render.steps = 30
      request.render.scheduler = .ddim
      request.priority = 5
      request.maxAttempts = 7
      request.runAfter = start
    }
    var wanted = request("a red fox")
    (wanted.render.steps, wanted.render.scheduler) = (30, .ddim)
    (wanted.priority, wanted.maxAttempts, wanted.runAfter) = (5, 7, start)
    let details = try queue.client.details(job: 1)
    #expect(edit.request == wanted && details.job.request == wanted)
    #expect(
      edit.changes.map(\.name) == ["prompt", "steps", "scheduler", "priority", "run_after", "max_attempts"])
    let event = try #require(details.events.last)
    #expect(event.kind == .edited && event.detail == edit.text)
    #expect(
      edit.text.hasPrefix("prompt a to a red fox, steps 25 to 30, scheduler none to ddim, priority 0 to 5, "))
    #expect(try queue.client.details(job: 2).job.request == request("b"))
    // It waits for its time, and is then what was asked for.
    #expect(try queue.claim()?.job.id == 2)
    queue.pass(seconds: 61)
    #expect(try queue.claim()?.request.render == wanted.render)
  }

  @Test func theSameAgainChangesNothing() throws {
    let queue = try TestQueue()
    try queue.enqueue("a")
    let before = try queue.client.details(job: 1)
    #expect(try queue.client.edit(job: 1) { $0.render.steps = 25 }.changes.isEmpty)
    #expect(try queue.client.details(job: 1) == before)
  }

  @Test func aLookChangesNothing() throws {
    let queue = try TestQueue()
    try queue.enqueue("a")
    let before = try queue.client.details(job: 1)
    let plan = try queue.client.plannedEdit(job: 1) { $0.render.guidance = 3 }
    #expect(plan.text == "guidance 7.5 to 3.0")
    #expect(try queue.client.details(job: 1) == before)
  }

  @Test func whatIsRefusedChangesNothing() throws {
    struct Interrupted: Error {}
    let queue = try TestQueue()
    try queue.enqueue("a")
    let before = try queue.client.details(job: 1)
    #expect(throws: RequestError.self) { try queue.client.edit(job: 1) { $0.render.steps = 0 } }
    #expect(throws: RequestError.self) { try queue.client.edit(job: 1) { $0.priority = .max } }
    #expect(throws: Interrupted.self) { try queue.client.edit(job: 1) { _ in throw Interrupted() } }
    #expect(storeError { _ = try queue.client.edit(job: 7) { _ in } } == .notFound(thing: "job", id: "7"))
    #expect(try queue.client.details(job: 1) == before)
  }

  /// A job that was rendered, in part or whole, or is elsewhere: its pictures must not come to belong to other settings.
  @Test(arguments: ["running", "done", "failed", "cancelled", "saved", "pictured", "again", "in shards"])
  func whatHasBegunStaysAsItIs(how: String) throws {
    let queue = try TestQueue()
    try queue.enqueue("a")
    let lease =
      ["cancelled", "in shards"].contains(how) ? nil : try #require(try queue.claim()).lease
    let session = try queue.session()
    let has = "has pictures or saved steps already"
    var reason = "is \(how)"
    switch (how, lease) {
    case ("cancelled", _): _ = try queue.client.cancel(job: 1)
    case ("in shards", _): _ = try queue.client.putInShards(batch: 1, folder: "/shards")
    case ("done", let lease?), ("again", let lease?):
      try session.finish(lease, images: [image(0)], statistics: RenderStatistics())
      if how == "again" { try queue.client.retry(job: 1) }
    case ("failed", let lease?): try session.fail(lease, message: "m", kind: .badInput)
    case ("saved", let lease?):
      try session.keep(Data([1]), step: 3, index: 0, modelDigest: "d", lease)
      try session.giveBack(lease)
    case ("pictured", let lease?):
      try session.announce(image(0), step: 25, modelDigest: "d", lease)
      try session.giveBack(lease)
    default: break
    }
    if ["saved", "pictured", "again"].contains(how) { reason = has }
    let before = try queue.client.details(job: 1)
    let error = storeError { _ = try queue.client.edit(job: 1) { $0.render.steps = 30 } }
    #expect(error == .notEditable(job: 1, reason: reason))
    #expect("\(try #require(error))".contains("`segmoectl enqueue --like 1`"))
    #expect(storeError { _ = try queue.client.plannedEdit(job: 1) { _ in } } == error)
    #expect(try queue.client.details(job: 1) == before)
  }

  /// An attempt that got nowhere left nothing behind, and what failed may be what is changed.
  @Test func anEditedJobHasAllItsAttempts() throws {
    let queue = try TestQueue()
    try queue.enqueue("a")
    for _ in 0..<2 {
      try queue.session().fail(#require(try queue.claim()).lease, message: "m", kind: .transient)
      queue.pass(seconds: 700)
    }
    #expect(try queue.client.details(job: 1).job.attempts == 2)
    _ = try queue.client.edit(job: 1) { $0.render.width = 64 }
    let job = try queue.client.details(job: 1).job
    #expect(job.attempts == 0 && job.losses == 0 && job.failure == nil && job.startedAt == nil)
    #expect(try queue.claim()?.job.attempts == 1)
  }

  @Test func theKeyAnswersForWhatWasAskedForFirst() throws {
    let queue = try TestQueue()
    let named = BatchRequest(key: "k")
    _ = try queue.client.enqueue(named, requests: [request("a")])
    _ = try queue.client.edit(job: 1) { $0.render.prompt = "b" }
    #expect(try !queue.client.enqueue(named, requests: [request("a")]).isNew)
    #expect(
      storeError { _ = try queue.client.enqueue(named, requests: [request("b")]) }
        == .keyReused(key: "k", batch: 1))
  }

  // MARK: - Holds

  @Test func aHeldModelHoldsAndAnotherDoesNot() throws {
    let queue = try TestQueue()
    try queue.enqueue("a", "b")
    try queue.client.setPaused(true, batch: 1)
    try queue.sql { db in
      try db.execute(
        sql: "INSERT INTO models (name, registered_at, held_until) VALUES ('broken', 0, ?)",
        arguments: [9_000_000_000_000])
    }
    _ = try queue.client.edit(job: 1) { $0.render.model = "broken" }
    #expect(try held(queue) == 3)
    _ = try queue.client.edit(job: 1) { $0.render.model = "demo" }
    #expect(try held(queue) == 1)
  }

  @Test func aNewSourceIsWaitedFor() throws {
    let queue = try TestQueue()
    try queue.enqueue("a")
    let edit = try queue.client.edit(job: 1) { $0.render.model = Self.card }
    #expect(edit.sources.map(\.source) == [Self.card])
    #expect(try held(queue) == 4 && queue.claim() == nil)
    let fetcher = try queue.fetcher()
    try fetcher.finish(
      #require(try fetcher.claim()), name: Self.exact, revision: "a", path: "/hub/x", bytes: 1)
    let claimed = try #require(try queue.claim())
    #expect(claimed.request.render.model == Self.exact && claimed.places == [Self.exact: "/hub/x"])
  }

  @Test func aSourceThatNobodyNamesIsDropped() throws {
    let queue = try TestQueue()
    try queue.enqueue("a", "b", model: Self.card)
    _ = try queue.client.edit(job: 1) { $0.render.model = "demo" }
    #expect(try sources(queue) == [Self.card: 1])
    #expect(try held(queue) == 0 && held(queue, 2) == 4)
    _ = try queue.client.edit(job: 2) { $0.render.model = "demo" }
    #expect(try sources(queue) == [:])
    #expect(try queue.claim()?.job.id == 1)
  }

  /// What is being fetched for nobody is given up, and its late end changes nothing.
  @Test func aSourceBeingFetchedIsWantedNoMore() throws {
    let queue = try TestQueue()
    try queue.enqueue("a", model: Self.card)
    let fetcher = try queue.fetcher()
    let source = try #require(try fetcher.claim())
    _ = try queue.client.edit(job: 1) { $0.render.model = "demo" }
    #expect(try fetcher.report(source, done: 1, total: 2, perSecond: 1) == false)
    try fetcher.finish(source, name: Self.exact, revision: "a", path: "/hub/x", bytes: 1)
    let claimed = try #require(try queue.claim())
    #expect(claimed.request.render.model == "demo" && claimed.places.isEmpty)
  }

  /// Whatever else is changed, and whoever names it next: a batch has one commit of a source.
  @Test func aSourceThatIsThereIsShared() throws {
    let queue = try TestQueue()
    _ = try queue.client.enqueue(
      BatchRequest(), requests: [request("a", model: Self.card), request("b", model: "demo")])
    let fetcher = try queue.fetcher()
    try fetcher.finish(
      #require(try fetcher.claim()), name: Self.exact, revision: "a", path: "/hub/x", bytes: 1)
    _ = try queue.client.edit(job: 1) { $0.render.steps = 30 }
    _ = try queue.client.edit(job: 2) { $0.render.model = Self.card }
    #expect(try sources(queue) == [Self.card: 2])
    for job: Int64 in [1, 2] {
      let claimed = try #require(try queue.claim())
      #expect(claimed.job.id == job && claimed.request.render.model == Self.exact)
      #expect(claimed.places == [Self.exact: "/hub/x"])
    }
  }

  /// It could not be had; whoever names it again wants it again.
  @Test func aSourceThatFailedIsWantedAgain() throws {
    let queue = try TestQueue()
    _ = try queue.client.enqueue(
      BatchRequest(), requests: [request("a", model: Self.card), request("b", model: "demo")])
    let fetcher = try queue.fetcher()
    try fetcher.fail(#require(try fetcher.claim()), message: "gated", tryingAgainIn: nil)
    #expect(try queue.state(1) == .failed)
    _ = try queue.client.edit(job: 2) { $0.render.model = Self.card }
    #expect(try held(queue, 2) == 4)
    #expect(try fetcher.claim()?.text == Self.card)
    #expect(try queue.state(1) == .failed)
  }
}
