import Foundation
import JobStore
import Requests
import TestSupport
import Testing

/// Jobs that name something of a hub, and the fetcher's side of the queue.
@Suite struct SourceConformanceTests {
  private static let card = "segmind/SegMoE-4x2-v0"
  private static let commit = String(repeating: "a", count: 40)
  private static var exact: String { "\(card)@\(commit)" }

  private func finish(_ fetcher: any JobFetcher, _ source: ClaimedSource, name: String = Self.exact) throws {
    try fetcher.finish(source, name: name, revision: Self.commit, path: "/hub/x", bytes: 100)
  }

  @Test(arguments: StoreKind.here)
  func aJobWaitsAndIsRenderedFromTheCommit(kind: StoreKind) throws {
    let store = try TestStore(kind)
    let worker = try store.worker()
    try store.enqueue("a", "b", model: Self.card)
    #expect(try worker.claim() == nil)
    #expect(try store.overview() == "waiting for \(Self.card), no fetcher runs")
    #expect(try !worker.isAwaitingSources())
    let fetcher = try store.fetcher()
    #expect(try worker.isAwaitingSources() && store.client.fetchers().map(\.name) == ["h:20"])
    let source = try #require(try fetcher.claim())
    #expect(source.text == Self.card && source.use == .model && source.tries == 0)
    #expect(try fetcher.claim() == nil)
    #expect(try fetcher.report(source, done: 3100, total: 10_000, perSecond: 29))
    #expect(try store.overview() == "waiting for \(Self.card), 31%, 4 min")
    let waiting = try #require(try store.client.list(JobFilter()).first)
    #expect(waiting.waitsFor == "\(Self.card), 31%, 4 min")
    #expect(try store.client.details(job: 1).job.isWaitingForSource)
    #expect(try store.client.waits(batch: 1, limit: 16).map(\.state) == [.fetching])
    try finish(fetcher, source)
    #expect(try store.client.waits(batch: nil, limit: 16).isEmpty && !worker.isAwaitingSources())
    let claimed = try #require(try worker.claim())
    #expect(claimed.request.render.model == Self.exact && claimed.places == [Self.exact: "/hub/x"])
    let details = try store.client.details(job: 2)
    #expect(details.job.request.render.model == Self.exact && details.summary.waitsFor == nil)
    let record = try #require(details.sources.first)
    #expect(record.source == Self.card && record.state == .ready && record.revision == Self.commit)
    try fetcher.signOff()
    #expect(try store.client.fetchers().isEmpty)
  }

  /// A card that moves between two batches: each keeps its own commit.
  @Test(arguments: StoreKind.here)
  func eachBatchHasACommitOfItsOwn(kind: StoreKind) throws {
    let store = try TestStore(kind)
    let fetcher = try store.fetcher()
    try store.enqueue("a", model: Self.card)
    try finish(fetcher, #require(try fetcher.claim()))
    try store.enqueue("b", model: Self.card)
    let second = try #require(try fetcher.claim())
    let other = "\(Self.card)@\(String(repeating: "b", count: 40))"
    try finish(fetcher, second, name: other)
    let names = try [1, 2].map { try store.client.details(job: Int64($0)).job.request.render.model }
    #expect(names == [Self.exact, other])
  }

  /// A model, a VAE and a LoRA: the job waits for all of them, and names all of them exactly.
  @Test(arguments: StoreKind.here)
  func aJobWaitsForEverythingThatItNames(kind: StoreKind) throws {
    let store = try TestStore(kind)
    let worker = try store.worker()
    var wanted = request("a", model: Self.card)
    wanted.render.vae = "some/vae"
    wanted.render.loras = [
      LoRAReference(path: "/local.safetensors", weight: 0.5), LoRAReference(path: "some/lora", weight: 0.25),
    ]
    try store.client.enqueue(BatchRequest(), [wanted, request("b", model: Self.card), request("c")])
    #expect(try worker.claim()?.job.id == 3)
    let fetcher = try store.fetcher()
    var uses: [ModelUse] = []
    while let source = try fetcher.claim() {
      #expect(try uses.isEmpty || store.state(1) == .queued)
      uses.append(source.use)
      try finish(fetcher, source, name: source.text + "@v1")
      // The second job needs the model alone.
      if uses.count == 1 { #expect(try worker.claim()?.job.id == 2) }
      if uses.count < 3 { #expect(try worker.claim() == nil) }
    }
    #expect(Set(uses) == [.model, .adapter, .autoencoder] && uses.count == 3)
    let claimed = try #require(try worker.claim())
    let render = claimed.request.render
    #expect(render.model == Self.card + "@v1" && render.vae == "some/vae@v1")
    #expect(render.loras.map(\.path) == ["/local.safetensors", "some/lora@v1"])
    #expect(render.loras.map(\.weight) == [0.5, 0.25])
    #expect(Set(claimed.places.keys) == [Self.card + "@v1", "some/vae@v1", "some/lora@v1"])
  }

  @Test(arguments: StoreKind.here)
  func whatCannotBeHadFailsItsJobsOnceWithTheReason(kind: StoreKind) throws {
    let store = try TestStore(kind)
    let worker = try store.worker()
    try store.enqueue("a", "b", model: Self.card)
    try store.enqueue("c")
    let fetcher = try store.fetcher()
    try fetcher.fail(#require(try fetcher.claim()), message: "gated\nreally", tryingAgainIn: nil)
    for job in [Int64(1), 2] {
      let details = try store.client.details(job: job)
      #expect(details.job.state == .failed && details.job.failure?.message == "gated\\nreally")
      #expect(details.job.failure?.kind == .model && details.job.attempts == 0)
      #expect(details.events.filter { $0.kind == .failed }.count == 1)
    }
    #expect(try store.client.status().counts == StateCounts([.queued, .failed, .failed]))
    #expect(try fetcher.claim() == nil && worker.claim()?.job.id == 3)
    // Somebody has accepted the conditions.
    #expect(try store.client.retry(.job(2)) == 1)
    #expect(try worker.claim() == nil)
    try finish(fetcher, #require(try fetcher.claim()))
    #expect(try worker.claim()?.job.id == 2)
    #expect(try store.state(1) == .failed)
    #expect(try store.client.retry(.batch(1)) == 1)
  }

  /// Tried again after a pause, or as soon as a person does not want to wait.
  @Test(arguments: StoreKind.here)
  func whatMayPassIsTriedAgain(kind: StoreKind) throws {
    let store = try TestStore(kind)
    try store.enqueue("a", model: Self.card)
    let fetcher = try store.fetcher()
    try fetcher.fail(#require(try fetcher.claim()), message: "no network", tryingAgainIn: 3600)
    #expect(try fetcher.claim() == nil && store.state(1) == .queued)
    #expect(try #require(try fetcher.nextDue()) > store.client.now())
    #expect(try store.overview()?.hasPrefix("waiting for \(Self.card), again at ") == true)
    #expect(try store.overview("error") == "no network")
    #expect(try store.client.retry(.job(1)) == 1)
    let again = try #require(try fetcher.claim())
    #expect(again.tries == 0)
    try fetcher.fail(again, message: "no network", tryingAgainIn: 0)
    #expect(try fetcher.claim()?.tries == 1)
  }

  /// One that was killed: what it was at is free as soon as another of its machine starts.
  @Test(arguments: StoreKind.here)
  func aDeadFetchersWorkIsFree(kind: StoreKind) throws {
    let store = try TestStore(kind)
    try store.enqueue("a", model: Self.card)
    let dead = try store.fetcher(pid: 1)
    let source = try #require(try dead.claim())
    #expect(try store.fetcher(pid: 2, host: "elsewhere", othersLive: false).claim() == nil)
    #expect(try store.fetcher(pid: 3).claim() == nil)
    let heir = try store.fetcher(pid: 4, othersLive: false)
    let again = try #require(try heir.claim())
    #expect(again.id == source.id && again.claim == source.claim + 1)
    // It was only asleep, and changes nothing.
    #expect(try !dead.report(source, done: 1, total: 2, perSecond: 1))
    try finish(dead, source, name: "x/y@late")
    try dead.fail(source, message: "m", tryingAgainIn: nil)
    try dead.giveBack(source)
    #expect(try store.client.sources(job: 1).first?.state == .fetching && store.state(1) == .queued)
    try finish(heir, again)
    #expect(try store.worker().claim()?.request.render.model == Self.exact)
  }

  /// A fetcher of anywhere that is silent for a minute.
  @Test(arguments: StoreKind.here)
  func aSilentFetchersWorkIsFree(kind: StoreKind) throws {
    let store = try TestStore(kind)
    try store.enqueue("a", model: Self.card)
    _ = try #require(try store.fetcher(pid: 1, host: "elsewhere").claim())
    try store.sql("UPDATE fetchers SET heartbeat_at = heartbeat_at - 61000")
    let fetcher = try store.fetcher()
    #expect(try store.client.fetchers().map(\.host) == ["h"])
    try fetcher.beat()
    #expect(try fetcher.claim()?.text == Self.card)
  }

  /// Two fetchers, two batches of one source: never at the same time.
  @Test(arguments: StoreKind.here)
  func twoFetchersShareTheWork(kind: StoreKind) throws {
    let store = try TestStore(kind)
    try store.enqueue("a", model: Self.card)
    try store.enqueue("b", model: Self.card)
    try store.enqueue("c", model: "other/model")
    let (one, two) = (try store.fetcher(pid: 1), try store.fetcher(pid: 2, host: "elsewhere"))
    let first = try #require(try one.claim())
    #expect(first.text == Self.card)
    #expect(try two.claim()?.text == "other/model")
    #expect(try two.claim() == nil)
    try finish(one, first)
    #expect(try two.claim()?.text == Self.card)
  }

  @Test(arguments: StoreKind.here)
  func whatNobodyWantsAnyMoreIsNotFetched(kind: StoreKind) throws {
    let store = try TestStore(kind)
    try store.enqueue("a", model: Self.card)
    let fetcher = try store.fetcher()
    let source = try #require(try fetcher.claim())
    _ = try store.client.cancel(.job(1), discard: false)
    #expect(try !fetcher.report(source, done: 1, total: 2, perSecond: 1))
    try fetcher.giveBack(source)
    #expect(try fetcher.claim() == nil && store.client.waits(batch: nil, limit: 16).isEmpty)
    _ = try store.client.retry(.job(1))
    #expect(try fetcher.claim()?.id == source.id)
  }

  /// A pause and another batch hold a job as well: all that it waits for must end.
  @Test(arguments: StoreKind.here)
  func itWaitsForOtherThingsToo(kind: StoreKind) throws {
    let store = try TestStore(kind)
    let worker = try store.worker()
    let first = try store.enqueue("first").batch
    try store.client.enqueue(BatchRequest(after: "\(first)"), [request("a", model: Self.card)])
    try store.client.setPaused(true, batch: 2)
    let fetcher = try store.fetcher()
    let source = try #require(try fetcher.claim())
    try worker.finish(#require(try worker.claim()))
    try store.client.setPaused(false, batch: 2)
    #expect(try worker.claim() == nil)
    try finish(fetcher, source)
    #expect(try worker.awaitJob().job.id == 2)
  }

  /// What a daemon has in its own folders under the name of a card is no source.
  @Test(arguments: StoreKind.here)
  func aDaemonsOwnModelWins(kind: StoreKind) throws {
    let store = try TestStore(kind)
    let worker = try store.worker()
    try store.enqueue("a", model: Self.card)
    #expect(try worker.takeLocalSources { $0 == "other/model" } == [])
    #expect(try worker.takeLocalSources { $0 == Self.card } == [Self.card])
    let claimed = try #require(try worker.claim())
    #expect(claimed.request.render.model == Self.card && claimed.places == [:])
    #expect(try store.fetcher().claim() == nil)
  }

  /// An edited job waits for what it now names; what nobody names any more is not fetched, and a batch has one commit.
  @Test(arguments: StoreKind.here)
  func anEditedJobWaitsForWhatItNames(kind: StoreKind) throws {
    let store = try TestStore(kind)
    let worker = try store.worker()
    try store.enqueue("a", "b")
    let edit = try store.client.edit(job: 1) { $0.render.model = Self.card }
    #expect(edit.sources.map(\.source) == [Self.card])
    #expect(try worker.claim()?.job.id == 2)
    #expect(try worker.claim() == nil)
    _ = try store.client.edit(job: 1) { $0.render.model = "other/model" }
    let fetcher = try store.fetcher()
    let source = try #require(try fetcher.claim())
    #expect(source.text == "other/model")
    try finish(fetcher, source, name: "other/model@c")
    #expect(try fetcher.claim() == nil)
    let shared = try store.client.edit(job: 1) { $0.render.model = "other/model" }
    #expect(shared.request.render.model == "other/model@c" && shared.sources.isEmpty)
    #expect(try worker.claim()?.places == ["other/model@c": "/hub/x"])
  }

  /// Links with tokens, one after another: no token is kept, and plain names and paths are no sources.
  @Test(arguments: StoreKind.here)
  func noTokenIsKept(kind: StoreKind) throws {
    let store = try TestStore(kind)
    func link(_ token: String) -> String {
      "https://civitai.com/api/download/models/7?type=Model\(token)&format=SafeTensor"
    }
    let models = ["demo", link("&token=one"), link("&token=two"), link(""), "/models/a/b"]
    try store.client.enqueue(BatchRequest(key: "k"), models.map { request("x", model: $0) })
    let kept = try (1...5).map { try store.client.details(job: $0).job.request.render.model }
    #expect(kept == ["demo", link(""), link(""), link(""), "/models/a/b"])
    #expect(try store.sql("SELECT source FROM sources") == [link("")])
    #expect(
      try (1...5).map { try store.client.details(job: $0).job.isWaitingForSource } == [
        false, true, true, true, false,
      ])
    // The same requests with another token are the same batch.
    let again = models.map { request("x", model: $0.replacing("two", with: "three")) }
    #expect(try !store.client.enqueue(BatchRequest(key: "k"), again).isNew)
  }

  /// What was purged leaves nothing behind.
  @Test(arguments: StoreKind.here)
  func aPurgedBatchTakesItsSourcesWithIt(kind: StoreKind) throws {
    let store = try TestStore(kind)
    try store.enqueue("a", "b", model: Self.card)
    _ = try store.client.cancel(.batch(1), discard: false)
    var retention = Retention()
    retention.states = [.cancelled]
    #expect(try store.client.purge(retention, atOnce: 1) { _ in } == 2)
    for table in ["sources", "job_sources", "jobs", "batches"] {
      #expect(try store.sql("SELECT 'left' FROM \(table)") == [], "\(table)")
    }
  }
}
