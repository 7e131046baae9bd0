import Foundation
import JobStore
import Requests
import TestSupport
import Testing

/// What one call between two jobs tells a worker on the server, so that it need not ask for each.
@Suite(.enabled(if: PostgresServer.isInstalled, Comment(rawValue: PostgresServer.absence)))
struct ClaimAnswerTests {
  private var atOnce: Backoff {
    var backoff = Backoff()
    backoff.first = 0
    return backoff
  }

  /// Columns of job 1 that its claim and the view of all jobs have differently, then those that a claim leaves out.
  private func differences(in store: TestStore) throws -> [[String]] {
    let both = """
      FROM (SELECT leased_row(1, 0)::jsonb AS a) c, (SELECT to_jsonb(r) AS v FROM job_rows r WHERE id = 1) w,
        jsonb_each(v) column_of, LATERAL (SELECT (a -> 'job') || (a - 'job') AS claimed) m
      """
    return try ["claimed ? key AND claimed -> key <> value", "NOT claimed ? key"].map { condition in
      try store.sql("SELECT key \(both) WHERE \(condition) ORDER BY key")
    }
  }

  /// A claim reads fewer tables than the view of all jobs, and says the same.
  @Test func aClaimedRowSaysWhatAllJobsDo() throws {
    let store = try TestStore(.postgresql)
    try store.client.enqueue(BatchRequest(name: "b", namePattern: "{job}-{index}.png"), [request("a fox")])
    let worker = try store.worker()
    let first = try #require(try worker.claim())
    // An attempt that has left its traces in the row.
    try worker.fail(first.lease, message: "m", kind: .transient, backoff: atOnce)
    _ = try worker.awaitJob()
    let expected = [[], ["numerics", "pixels", "shards", "waits_for"]]
    #expect(try differences(in: store) == expected)
    #expect(try store.sql("SELECT leased_row(1, 0) -> 'job' -> 'attempts'") == ["2"])
    #expect(try store.sql("SELECT leased_row(1, 0) -> 'job' ->> 'error'") == ["m"])
    try store.sql("UPDATE leases SET note = 'waits for the disk'")
    #expect(try differences(in: store) == expected)
    try store.sql("UPDATE leases SET cancel_requested = 1")
    #expect(try differences(in: store) == expected)
    try store.sql("UPDATE jobs SET in_shards = 1, run_after = 17, started_at = 18")
    #expect(try differences(in: store) == expected)
  }

  /// An answer is a text, whatever is in it.
  @Test(arguments: [
    #"he said "a \ fox" {"job": 1}"#, "line\nline\ttab\u{1F}", "狐狸 🦊 \u{2028}", "null", "7", "",
  ])
  func anyTextAndNumberIsClaimedAsItWasQueued(text: String) throws {
    let store = try TestStore(.postgresql)
    var asked = request("a fox, \(text)")
    asked.render.negativePrompt = text
    // No double has so many digits.
    asked.render.seed = UInt64(Int64.max) - 1
    asked.render.guidance = 0.1 + 0.2
    asked.render.guidanceRescale = 1 / 3
    try store.client.enqueue(BatchRequest(name: "b"), [asked])
    let claimed = try #require(try store.worker().claim())
    #expect(claimed.job.request == asked)
  }

  /// A job without a row, of which somebody left a mark among those that are due, is passed over.
  @Test func whatIsDueWithoutARowIsPassedOver() throws {
    let store = try TestStore(.postgresql)
    try store.enqueue("a", "b")
    try store.sql("DELETE FROM jobs WHERE id = 1")
    let worker = try store.worker()
    #expect(try worker.claim()?.job.id == 2)
    #expect(try worker.claim() == nil)
    #expect(try store.sql("SELECT job FROM leases") == ["2"])
  }

  /// A worker that was silent for a minute, while another took its name, gets no job, and is told so when it looks.
  @Test(arguments: StoreKind.servers)
  func whoLostItsNameGetsNoJob(kind: StoreKind) throws {
    let store = try TestStore(kind)
    try store.enqueue("a")
    let first = try store.worker("w", pid: 10)
    _ = try first.changeMark()
    try store.sql("UPDATE workers SET heartbeat_at = 0")
    // Who started later counts, by milliseconds.
    usleep(2000)
    let second = try store.worker("w", pid: 11)
    #expect(try first.claim() == nil)
    #expect(
      storeError { _ = try first.changeMark() } == .workerNameTaken(name: "w", host: "h", pid: 11))
    #expect(try second.claim() != nil)
  }

  @Test(arguments: StoreKind.servers)
  func otherWorkIsToldWithAJob(kind: StoreKind) throws {
    let store = try TestStore(kind)
    try store.enqueue("a", "b", "c")
    let worker = try store.worker()
    // Nothing is known before the first answer.
    #expect(worker.mayHave(.leftovers) && worker.mayHave(.wantedSources))
    let first = try #require(try worker.claim())
    #expect(!worker.mayHave(.leftovers) && !worker.mayHave(.wantedSources))
    var picture = image(0, of: 1)
    picture.path = "/out/1/1-0.png"
    try worker.announce(picture, step: 25, modelDigest: "d", first.lease)
    try worker.fail(first.lease, message: "m", kind: .badInput, backoff: Backoff())
    // A claim tells what the last upkeep found.
    try store.sql("UPDATE upkeep SET at = 0")
    _ = try worker.changeMark()
    #expect(try worker.claim() != nil)
    #expect(worker.mayHave(.leftovers) && !worker.mayHave(.wantedSources))
    #expect(try worker.settleLeftovers(below: "/out") { _ in .keep } == 1)
    try store.sql(
      """
      INSERT INTO sources (batch, source, use, state, created_at, updated_at)
      VALUES (1, 'owner/name', 'model', 'wanted', 1, 1)
      """)
    // A look tells it as well.
    _ = try worker.changeMark()
    #expect(!worker.mayHave(.leftovers) && worker.mayHave(.wantedSources))
    try store.sql("UPDATE upkeep SET at = 0")
    _ = try worker.changeMark()
    #expect(try worker.claim() != nil)
    #expect(worker.mayHave(.wantedSources))
  }

  /// Where all workers are busy, claims see to upkeep: a job whose pause is over becomes due.
  @Test(arguments: StoreKind.servers)
  func claimsSeeToUpkeep(kind: StoreKind) throws {
    let store = try TestStore(kind)
    try store.enqueue("a", "b", "c")
    let worker = try store.worker()
    let first = try #require(try worker.claim())
    try worker.fail(first.lease, message: "m", kind: .transient, backoff: atOnce)
    try store.sql("UPDATE upkeep SET at = 0")
    #expect(try worker.claim()?.job.id == 2)
    #expect(try store.sql("SELECT id FROM due ORDER BY id") == ["1", "3"])
  }
}
