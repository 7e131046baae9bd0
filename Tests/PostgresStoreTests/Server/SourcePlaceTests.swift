import JobStore
import PostgresStore
import Requests
import TestSupport
import Testing

/// Many machines, each with a fetcher of its own or none: who has what, and who leaves a job to others.
@Suite(
  .enabled(if: PostgresServer.isInstalled, Comment(rawValue: PostgresServer.absence)))
struct SourcePlaceTests {
  private static let card = "a/model"
  private static let exact = "a/model@c1"

  /// A queue with two jobs whose model the fetcher of host h has brought.
  private func store(_ kind: StoreKind) throws -> (TestStore, any JobFetcher) {
    let store = try TestStore(kind)
    try store.enqueue("a", "b", model: Self.card)
    let fetcher = try store.fetcher()
    let source = try #require(try fetcher.claim())
    try fetcher.finish(source, name: Self.exact, revision: "c1", path: "/h/model", bytes: 10)
    return (store, fetcher)
  }

  /// Without a fetcher of its own a machine looks where the other's has put it: they may share the folder.
  @Test(arguments: StoreKind.servers)
  func aSharedFolderNeedsOneFetcher(kind: StoreKind) throws {
    let (store, _) = try store(kind)
    let claimed = try #require(try store.worker("far", host: "far").claim())
    #expect(claimed.places == [Self.exact: "/h/model"])
  }

  /// A machine with a fetcher has what that has brought, at the commit that the first has found.
  @Test(arguments: StoreKind.servers)
  func eachMachineHasItsOwn(kind: StoreKind) throws {
    let (store, _) = try store(kind)
    let worker = try store.worker("far", host: "far")
    let fetcher = try store.fetcher(pid: 5, host: "far")
    #expect(try fetcher.claim() == nil)
    let claimed = try #require(try worker.claim())
    #expect(claimed.places == [:])
    try worker.lack(Self.exact, reason: "no such model", claimed.lease)
    // It is on its way: nobody fails the jobs, and whoever drains waits.
    #expect(try worker.isAwaitingSources() && worker.arrivals(among: [Self.exact]) == [:])
    try store.sql("UPDATE lacking_models SET since = since - 1000000")
    // Both live, however long that took.
    try worker.beat()
    try fetcher.beat()
    #expect(try worker.claim(avoiding: [Self.exact], patience: 1) == nil)
    #expect(try store.state(1) == .queued)
    let source = try #require(try fetcher.claim())
    #expect(source.text == Self.exact && source.use == .model)
    #expect(try fetcher.claim() == nil && fetcher.report(source, done: 1, total: 2, perSecond: 1))
    try fetcher.finish(source, name: Self.exact, revision: "c1", path: "/far/model", bytes: 10)
    #expect(try worker.isAwaitingSources())
    #expect(try worker.arrivals(among: [Self.exact, "demo"]) == [Self.exact: "/far/model"])
    try worker.expect(Self.exact)
    #expect(try !worker.isAwaitingSources())
    #expect(try worker.claim()?.places == [Self.exact: "/far/model"])
    // The first one's is where it was.
    #expect(try store.worker("near").claim()?.places == [Self.exact: "/h/model"])
    #expect(try store.client.sources(job: 1).first?.path == "/h/model")
  }

  /// What one machine cannot have is rendered by another; if none has it, the jobs fail with what the fetcher says.
  @Test(arguments: StoreKind.servers)
  func whatOneMachineCannotHave(kind: StoreKind) throws {
    let (store, _) = try store(kind)
    let worker = try store.worker("far", host: "far")
    let fetcher = try store.fetcher(pid: 5, host: "far")
    try worker.lack(Self.exact, reason: "no such model", #require(try worker.claim()).lease)
    try fetcher.fail(#require(try fetcher.claim()), message: "no room", tryingAgainIn: 3600)
    #expect(try fetcher.claim() == nil && worker.isAwaitingSources())
    #expect(try #require(try fetcher.nextDue()) > store.client.now())
    try store.sql("UPDATE source_places SET not_before = 1 WHERE host = 'far'")
    try worker.beat()
    try fetcher.beat()
    let again = try #require(try fetcher.claim())
    #expect(again.tries == 1)
    try fetcher.fail(again, message: "no room at all", tryingAgainIn: nil)
    #expect(try fetcher.claim() == nil && !worker.isAwaitingSources())
    #expect(try store.state(1) == .queued && store.client.lackedModels().map(\.reason) == ["no room at all"])
    // The machine that has it.
    let near = try store.worker("near")
    let claimed = try #require(try near.claim())
    try near.finish(claimed)
    try near.signOff()
    #expect(try worker.claim(avoiding: [Self.exact], patience: 0) == nil)
    let failure = try #require(try store.client.details(job: 2).job.failure)
    #expect(failure.message.contains("no room at all") && failure.kind == .model)
    // A retry wants it anew, for all.
    #expect(try store.client.retry(.job(2)) == 1)
    #expect(try store.client.details(job: 2).job.isWaitingForSource)
    #expect(try fetcher.claim()?.text == Self.exact)
  }

  /// Killed in the middle: the next one of the machine goes on, and the late one changes nothing.
  @Test(arguments: StoreKind.servers)
  func aKilledFetchersPlaceIsFree(kind: StoreKind) throws {
    let (store, _) = try store(kind)
    let worker = try store.worker("far", host: "far")
    let dead = try store.fetcher(pid: 5, host: "far")
    try worker.lack(Self.exact, reason: "no such model", #require(try worker.claim()).lease)
    let source = try #require(try dead.claim())
    let heir = try store.fetcher(pid: 6, host: "far", othersLive: false)
    try worker.beat()
    let again = try #require(try heir.claim())
    #expect(again.id == source.id && again.claim == source.claim + 1)
    try dead.finish(source, name: Self.exact, revision: "c1", path: "/late", bytes: 10)
    try dead.fail(source, message: "late", tryingAgainIn: nil)
    #expect(try !dead.report(source, done: 1, total: 2, perSecond: 1))
    #expect(try worker.arrivals(among: [Self.exact]) == [:])
    try heir.finish(again, name: Self.exact, revision: "c1", path: "/far/model", bytes: 10)
    #expect(try worker.arrivals(among: [Self.exact]) == [Self.exact: "/far/model"])
  }

  /// A claim whose answer was lost is answered again, with another number.
  @Test(arguments: StoreKind.servers)
  func aLostAnswerIsAskedForAgain(kind: StoreKind) throws {
    let store = try TestStore(kind)
    try store.enqueue("a", model: Self.card)
    let fetcher = try store.fetcher()
    try store.sql("SELECT claim_source('h:20', 'h', '{}')")
    let source = try #require(try fetcher.claim())
    #expect(source.claim == 2)
    #expect(try fetcher.claim() == nil)
  }

  /// A name that fetched files have on this machine alone is not written into jobs of all.
  @Test(arguments: StoreKind.servers)
  func aLocalModelKeepsItsName(kind: StoreKind) throws {
    let store = try TestStore(kind)
    try store.enqueue("a", model: Self.card)
    let fetcher = try store.fetcher()
    try fetcher.finish(#require(try fetcher.claim()), localPath: "/models/a/model")
    let claimed = try #require(try store.worker().claim())
    #expect(claimed.request.render.model == Self.card && claimed.places == [:])
    #expect(try fetcher.claim() == nil && store.client.sources(job: 1).isEmpty)
  }

  /// Two fetchers bring the last two of a job's sources at the same time.
  @Test(arguments: StoreKind.servers)
  func theLastTwoAtOnce(kind: StoreKind) async throws {
    let store = try TestStore(kind)
    for _ in 0..<20 {
      var wanted = request("a", model: "some/model")
      wanted.render.vae = "some/vae"
      try store.client.enqueue(BatchRequest(), [wanted])
    }
    try await withThrowingTaskGroup(of: Void.self) { group in
      for pid in 1...2 {
        group.addTask {
          try await OwnThread.run {
            let fetcher = try store.fetcher(pid: pid, host: "h\(pid)")
            while try store.client.waits(batch: nil, limit: 1).count > 0 {
              guard let source = try fetcher.claim() else { continue }
              try fetcher.finish(source, name: source.text + "@c", revision: "c", path: "/x", bytes: 1)
            }
          }
        }
      }
      try await group.waitForAll()
    }
    #expect(try store.client.list(JobFilter()).filter(\.isHeld).isEmpty)
    #expect(try store.sql("SELECT count(*) FROM due") == ["20"])
  }

  /// A row that no program writes fails its job and stops nobody.
  @Test(arguments: StoreKind.servers)
  func wrongRowsStopNobody(kind: StoreKind) throws {
    let (store, _) = try store(kind)
    try store.sql(
      """
      INSERT INTO job_sources VALUES (1, 99);
      UPDATE jobs SET loras = 'no list' WHERE id = 2;
      INSERT INTO lacking_models VALUES ('nobody', '\(Self.exact)', 1, 'x');
      """)
    let worker = try store.worker()
    #expect(try worker.claim()?.job.id == 1)
    #expect(try worker.claim() == nil)
    #expect(try store.sql("SELECT outcome FROM jobs WHERE id = 2") == ["failed"])
    #expect(try store.fetcher(pid: 9, host: "nowhere").claim() == nil)
    // Lists say that such a row is there.
    try store.sql("UPDATE jobs SET loras = '[]' WHERE id = 2")
    try store.enqueue("c", model: "other/model")
    let fetching = "state = 'fetching', fetcher = 'x'"
    let wanted = "state = 'wanted', fetcher = NULL"
    for values in [
      "\(fetching), bytes_total = 9223372036854775807, bytes_done = -9223372036854775807, bytes_per_second = 1",
      "\(fetching), bytes_per_second = -1", "\(wanted), not_before = 9223372036854775807",
      "\(wanted), not_before = -9223372036854775807",
    ] {
      try store.sql("UPDATE sources SET \(values) WHERE source LIKE 'other%'")
      #expect(try store.client.list(JobFilter()).last?.waitsFor?.hasPrefix("other/model") == true)
      #expect(try store.client.waits(batch: nil, limit: 5).count == 1)
    }
  }
}
