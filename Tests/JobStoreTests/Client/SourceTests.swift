import Foundation
import GRDB
import JobStore
import Requests
import Testing

/// Jobs that name something of a hub, and the fetcher's side of the queue.
@Suite struct SourceTests {
  private static let card = "segmind/SegMoE-4x2-v0"
  private static let commit = String(repeating: "a", count: 40)
  private static var exact: String { "\(card)@\(commit)" }

  private func finish(_ session: FetcherSession, _ source: ClaimedSource, name: String = Self.exact) throws {
    try session.finish(source, name: name, revision: Self.commit, path: "/hub/x", bytes: 100)
  }

  private func overview(_ queue: TestQueue, _ job: Int64 = 1) throws -> String? {
    try queue.sql {
      try String.fetchOne($0, sql: "SELECT state FROM job_overview WHERE id = ?", arguments: [job])
    }
  }

  @Test func aJobWaitsAndIsRenderedFromTheCommit() throws {
    let queue = try TestQueue()
    try queue.enqueue("a", "b", model: Self.card)
    #expect(try queue.claim() == nil)
    #expect(try overview(queue) == "waiting for \(Self.card), no fetcher runs")
    let fetcher = try queue.fetcher()
    let source = try #require(try fetcher.claim())
    #expect(source.text == Self.card && source.use == .model && source.tries == 0)
    #expect(try fetcher.claim() == nil)
    #expect(try fetcher.report(source, done: 3100, total: 10_000, perSecond: 29))
    #expect(try overview(queue) == "waiting for \(Self.card), 31%, 4 min")
    let waiting = try #require(try queue.client.list().first)
    #expect(waiting.waitsFor == "\(Self.card), 31%, 4 min")
    #expect(try queue.client.details(job: 1).job.isWaitingForSource)
    try finish(fetcher, source)
    let claimed = try #require(try queue.claim())
    #expect(claimed.request.render.model == Self.exact && claimed.places == [Self.exact: "/hub/x"])
    let details = try queue.client.details(job: 2)
    #expect(details.job.request.render.model == Self.exact && details.summary.waitsFor == nil)
    let record = try #require(details.sources.first)
    #expect(record.source == Self.card && record.state == .ready && record.revision == Self.commit)
  }

  /// A card that moves between two batches: each keeps its own commit.
  @Test func eachBatchHasACommitOfItsOwn() throws {
    let queue = try TestQueue()
    let fetcher = try queue.fetcher()
    try queue.enqueue("a", model: Self.card)
    try finish(fetcher, #require(try fetcher.claim()))
    try queue.enqueue("b", model: Self.card)
    let second = try #require(try fetcher.claim())
    let other = "\(Self.card)@\(String(repeating: "b", count: 40))"
    try finish(fetcher, second, name: other)
    let names = try [1, 2].map { try queue.client.details(job: Int64($0)).job.request.render.model }
    #expect(names == [Self.exact, other])
  }

  /// A model, a VAE and a LoRA: the job waits for all of them, and names all of them exactly.
  @Test func aJobWaitsForEverythingThatItNames() throws {
    let queue = try TestQueue()
    var wanted = request("a", model: Self.card)
    wanted.render.vae = "some/vae"
    wanted.render.loras = [
      LoRAReference(path: "/local.safetensors", weight: 0.5), LoRAReference(path: "some/lora", weight: 0.25),
    ]
    _ = try queue.client.enqueue(BatchRequest(), requests: [wanted, request("b", model: Self.card)])
    let fetcher = try queue.fetcher()
    var uses: [ModelUse] = []
    while let source = try fetcher.claim() {
      #expect(try uses.isEmpty || queue.state(1) == .queued)
      uses.append(source.use)
      try finish(fetcher, source, name: source.text + "@v1")
      // The second job needs the model alone.
      if uses.count == 1 { #expect(try queue.claim()?.job.id == 2) }
      if uses.count < 3 { #expect(try queue.claim() == nil) }
    }
    #expect(Set(uses) == [.model, .adapter, .autoencoder] && uses.count == 3)
    let render = try #require(try queue.claim()).request.render
    #expect(render.model == Self.card + "@v1" && render.vae == "some/vae@v1")
    #expect(render.loras.map(\.path) == ["/local.safetensors", "some/lora@v1"])
    #expect(render.loras.map(\.weight) == [0.5, 0.25])
  }

  @Test func whatCannotBeHadFailsItsJobsOnceWithTheReason() throws {
    let queue = try TestQueue()
    try queue.enqueue("a", "b", model: Self.card)
    try queue.enqueue("c")
    let fetcher = try queue.fetcher()
    try fetcher.fail(#require(try fetcher.claim()), message: "gated\nreally", tryingAgainIn: nil)
    for job in [Int64(1), 2] {
      let details = try queue.client.details(job: job)
      #expect(details.job.state == .failed && details.job.failure?.message == "gated\\nreally")
      #expect(details.job.failure?.kind == .model && details.job.attempts == 0)
      #expect(details.events.filter { $0.kind == .failed }.count == 1)
    }
    #expect(try fetcher.claim() == nil && queue.claim()?.job.id == 3)
    // Somebody has accepted the conditions.
    try queue.client.retry(job: 2)
    #expect(try queue.claim() == nil)
    try finish(fetcher, #require(try fetcher.claim()))
    #expect(try queue.claim()?.job.id == 2)
    #expect(try queue.state(1) == .failed)
    #expect(try queue.client.retry(batch: 1) == 1)
  }

  @Test func whatMayPassIsTriedAgainAfterAPause() throws {
    let queue = try TestQueue()
    try queue.enqueue("a", model: Self.card)
    let fetcher = try queue.fetcher()
    try fetcher.fail(#require(try fetcher.claim()), message: "no network", tryingAgainIn: 30)
    #expect(try fetcher.claim() == nil && queue.state(1) == .queued)
    #expect(try fetcher.nextDue() == queue.now + 30_000)
    #expect(try overview(queue)?.contains("again at") == true)
    let error = try queue.sql { try String.fetchOne($0, sql: "SELECT error FROM job_overview") }
    #expect(error == "no network")
    queue.pass(seconds: 31)
    #expect(try fetcher.claim()?.tries == 1)
    // A person who does not want to wait.
    let source = try #require(try queue.client.sources(batch: 1).first)
    #expect(source.state == .fetching)
    _ = try fetcher.signOff()
    let other = try queue.fetcher(pid: 21)
    try other.fail(#require(try other.claim()), message: "no network", tryingAgainIn: 600)
    try queue.client.retry(job: 1)
    #expect(try other.claim()?.tries == 0)
  }

  @Test func aLateFetcherChangesNothing() throws {
    let queue = try TestQueue()
    try queue.enqueue("a", model: Self.card)
    let late = try queue.fetcher(pid: 1)
    let source = try #require(try late.claim())
    queue.pass(seconds: 61)
    let other = try queue.fetcher(pid: 2)
    try other.beat()
    let again = try #require(try other.claim())
    #expect(again.id == source.id && again.claim == source.claim + 1)
    #expect(try !late.report(source, done: 1, total: 2, perSecond: 1))
    try finish(late, source, name: "x/y@late")
    try late.fail(source, message: "m", tryingAgainIn: nil)
    try late.giveBack(source)
    #expect(try queue.client.sources(batch: 1).first?.state == .fetching && queue.state(1) == .queued)
    try finish(other, again)
    #expect(try queue.claim()?.request.render.model == Self.exact)
  }

  /// Two fetchers, two batches of one source: never at the same time.
  @Test func twoFetchersShareTheWork() throws {
    let queue = try TestQueue()
    try queue.enqueue("a", model: Self.card)
    try queue.enqueue("b", model: Self.card)
    try queue.enqueue("c", model: "other/model")
    let (one, two) = (try queue.fetcher(pid: 1), try queue.fetcher(pid: 2))
    let first = try #require(try one.claim())
    let second = try #require(try two.claim())
    #expect(first.text == Self.card && second.text == "other/model")
    #expect(try two.claim() == nil)
    try finish(one, first)
    #expect(try two.claim()?.text == Self.card)
    #expect(try queue.client.fetchers().map(\.pid) == [1, 2])
    queue.pass(seconds: 90)
    #expect(try queue.client.fetchers().isEmpty)
  }

  /// One that was killed: what it was at is free as soon as another of its machine starts.
  @Test func aDeadFetchersWorkIsFree() throws {
    let queue = try TestQueue()
    try queue.enqueue("a", model: Self.card)
    _ = try #require(try queue.fetcher(pid: 1).claim())
    #expect(try queue.fetcher(pid: 2, host: "elsewhere", isAlive: false).claim() == nil)
    #expect(try queue.fetcher(pid: 3).claim() == nil)
    #expect(try queue.fetcher(pid: 4, isAlive: false).claim()?.text == Self.card)
  }

  @Test func whatNobodyWantsAnyMoreIsNotFetched() throws {
    let queue = try TestQueue()
    try queue.enqueue("a", model: Self.card)
    let fetcher = try queue.fetcher()
    let source = try #require(try fetcher.claim())
    _ = try queue.client.cancel(job: 1)
    #expect(try !fetcher.report(source, done: 1, total: 2, perSecond: 1))
    try fetcher.giveBack(source)
    #expect(try fetcher.claim() == nil && queue.client.waits().isEmpty)
    try queue.client.retry(job: 1)
    #expect(try fetcher.claim()?.id == source.id)
  }

  /// No path of a program leaves a token in the queue, and plain names and paths are no sources.
  @Test func onlySourcesAreSourcesAndNoTokenIsKept() throws {
    let queue = try TestQueue()
    let link = "https://civitai.com/api/download/models/7?type=Model&token=secret&format=SafeTensor"
    for model in ["demo", "/models/a/b", link] { try queue.enqueue("x", model: model) }
    #expect(try queue.claim()?.job.id == 1)
    #expect(try queue.claim()?.job.id == 2)
    #expect(try queue.claim() == nil)
    let kept = try #require(try queue.fetcher().claim()).text
    #expect(kept == "https://civitai.com/api/download/models/7?type=Model&format=SafeTensor")
    #expect(try queue.client.details(job: 3).job.request.render.model == kept)
    for file in ["", "-wal"] {
      let bytes = FileManager.default.contents(atPath: queue.path + file) ?? Data()
      #expect(!String(decoding: bytes, as: UTF8.self).contains("secret"))
    }
  }

  @Test func aBatchTakesItsSourcesWithIt() throws {
    let queue = try TestQueue()
    try queue.enqueue("a", model: Self.card)
    try queue.sql { try $0.execute(sql: "PRAGMA foreign_keys = ON; DELETE FROM batches") }
    let left = try queue.sql {
      try Int.fetchOne($0, sql: "SELECT (SELECT count(*) FROM sources) + (SELECT count(*) FROM job_sources)")
    }
    #expect(left == 0)
  }

  /// Damaged holds are worked out anew, this one as well.
  @Test func theHoldIsMended() throws {
    let queue = try TestQueue()
    try queue.enqueue("a", model: Self.card)
    try queue.sql { db in
      try db.execute(sql: "PRAGMA ignore_check_constraints = ON; UPDATE jobs SET held = 77")
    }
    try queue.signOn(WorkerRecord(name: "new", pid: 1, host: "h", version: "1"))
    #expect(try queue.sql { try Int.fetchOne($0, sql: "SELECT held FROM jobs") } == 4)
  }
}
