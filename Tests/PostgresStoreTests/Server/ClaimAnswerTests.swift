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

  private func row(_ columns: String, of view: String) -> String {
    "SELECT \(columns) FROM \(view) WHERE id = 1"
  }

  /// A claim reads fewer tables than the view of all jobs, and says the same.
  @Test func aClaimedRowSaysWhatAllJobsDo() throws {
    let store = try TestStore(.postgresql)
    let columns = try store.sql(
      """
      SELECT attname FROM pg_attribute
      WHERE attrelid = 'claimed_rows'::regclass AND attnum > 0 AND attname NOT IN ('places', 'chores')
      """
    ).joined(separator: ", ")
    try store.client.enqueue(BatchRequest(name: "b", namePattern: "{job}-{index}.png"), [request("a fox")])
    let worker = try store.worker()
    let first = try #require(try worker.claim())
    // An attempt that has left its traces in the row.
    try worker.fail(first.lease, message: "m", kind: .transient, backoff: atOnce)
    _ = try worker.awaitJob()
    let differences = "(\(row(columns, of: "claimed_rows"))) EXCEPT (\(row(columns, of: "job_rows")))"
    #expect(try store.sql("SELECT count(*) FROM (\(differences)) d") == ["0"])
    #expect(try store.sql("SELECT attempts || ' ' || error FROM claimed_rows") == ["2 m"])
    try store.sql("UPDATE leases SET note = 'waits for the disk'")
    #expect(try store.sql("SELECT count(*) FROM (\(differences)) d") == ["0"])
    try store.sql("UPDATE leases SET cancel_requested = 1")
    #expect(try store.sql("SELECT count(*) FROM (\(differences)) d") == ["0"])
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
