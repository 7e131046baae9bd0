import Foundation
import JobStore
import PostgresStore
import Requests
import TestSupport
import Testing

/// The schema on the server, and who may make or change it.
@Suite(.enabled(if: PostgresServer.isInstalled, Comment(rawValue: PostgresServer.absence)))
struct PostgresSchemaTests {
  private func open(
    _ address: String, _ role: QueueDatabase.Role, _ purpose: QueueDatabase.Purpose = .creating
  ) throws -> PostgresDatabase {
    try PostgresDatabase.open(ServerAddress(address), role: role, for: purpose)
  }

  @Test func whoOnlyLooksMakesNoTables() throws {
    let address = try PostgresServer.shared().newDatabase()
    for purpose in [QueueDatabase.Purpose.reading, .changing] {
      guard case .noQueue? = storeError({ _ = try open(address, .client, purpose) }) else {
        Issue.record("no such error for \(purpose)")
        continue
      }
    }
    #expect(try PostgresServer.sql(at: address, "SELECT to_regclass('jobs') IS NULL") == ["t"])
  }

  @Test func manyAtOnceMakeOneSchema() async throws {
    let address = try PostgresServer.shared().newDatabase()
    try await withThrowingTaskGroup(of: Void.self) { group in
      for _ in 0..<8 {
        group.addTask {
          try await OwnThread.run {
            _ = try PostgresDatabase.open(ServerAddress(address), role: .client, for: .creating)
          }
        }
      }
      try await group.waitForAll()
    }
    #expect(try PostgresServer.sql(at: address, "SELECT count(*) FROM schema_version") == ["1"])
  }

  @Test func aNewerSchemaIsRefused() throws {
    let address = try PostgresServer.shared().newDatabase()
    _ = try open(address, .daemon)
    try PostgresServer.sql(at: address, "INSERT INTO schema_version VALUES (99, 'later')")
    for role in [QueueDatabase.Role.client, .daemon] {
      guard case .schemaTooNew(_, found: 99, known: 1)? = storeError({ _ = try open(address, role) }) else {
        Issue.record("no such error for \(role)")
        continue
      }
    }
  }

  @Test(arguments: ["CREATE TABLE jobs (id integer)", "CREATE TABLE schema_version (rank integer)"])
  func anotherProgramsTablesAreLeftAlone(statement: String) throws {
    let address = try PostgresServer.shared().newDatabase()
    try PostgresServer.sql(at: address, statement)
    guard case .foreignDatabase? = storeError({ _ = try open(address, .daemon) }) else {
      Issue.record("no such error")
      return
    }
    #expect(try PostgresServer.sql(at: address, "SELECT to_regclass('batches') IS NULL") == ["t"])
  }

  /// Whoever may not make tables is told so, in words.
  @Test func aUserWithoutRightsIsToldSo() throws {
    let server = try PostgresServer.shared()
    let address = try server.newDatabase()
    try PostgresServer.sql(
      at: address,
      "DO $$ BEGIN CREATE ROLE guest LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$")
    let guest = address.replacing("user=postgres", with: "user=guest")
    guard case .notPermitted? = storeError({ _ = try open(guest, .client) }) else {
      Issue.record("no such error")
      return
    }
  }

  /// A setting that one store has a column for, the other has too; and people see the same views.
  @Test func bothStoresHaveTheSameColumns() throws {
    let address = try PostgresServer.shared().newDatabase()
    _ = try open(address, .daemon)
    func columns(_ table: String) throws -> Set<String> {
      Set(
        try PostgresServer.sql(
          at: address,
          "SELECT attname FROM pg_attribute WHERE attrelid = '\(table)'::regclass AND attnum > 0"))
    }
    #expect(Set(JobRequest.columns).subtracting(try columns("jobs")) == [])
    let folder = try TemporaryFolder()
    let path = folder.file("queue.sqlite")
    _ = try QueueClient.open(path: path)
    func sqlite(_ table: String) throws -> Set<String> {
      try SQLiteColumns(path: path).of(table)
    }
    for view in ["job_overview", "batch_overview", "event_log", "source_overview", "job_waits"] {
      #expect(try columns(view) == sqlite(view), "\(view)")
    }
    // What only one of them has, on purpose.
    #expect(try columns("images") == sqlite("images"))
    #expect(try columns("former_images") == sqlite("former_images"))
    #expect(try columns("checkpoints").subtracting(sqlite("checkpoints")) == ["over"])
    #expect(try sqlite("checkpoints").isSubset(of: columns("checkpoints")))
    #expect(try columns("progress") == sqlite("progress"))
    for table in ["previews", "found_models", "lacking_models", "fetchers", "sources", "job_sources"] {
      #expect(try columns(table) == sqlite(table), "\(table)")
    }
    // A person may hold a model in a file alone.
    #expect(
      try sqlite("models").subtracting(columns("models")) == [
        "load_failures", "load_error", "held_until", "held_at",
      ])
    #expect(try columns("events").subtracting(sqlite("events")) == ["xid"])
    #expect(try columns("workers").subtracting(sqlite("workers")) == ["introduction"])
    #expect(try columns("batches").subtracting(sqlite("batches")) == ["token"])
    // Clocks that may be set, and the counter that SQLite's fences are.
    #expect(
      try sqlite("jobs").subtracting(columns("job_rows")) == [
        "claims", "lease_set_at", "wait_set_at", "numerics_since",
      ])
  }

  @Test func peopleSeeWhatThereIs() throws {
    let address = try PostgresServer.shared().newDatabase()
    let client = PostgresClient(try open(address, .client))
    try client.enqueue(BatchRequest(name: "n"), [request("a\ncat"), request("b")])
    _ = try client.cancel(.job(2), discard: false)
    #expect(
      try PostgresServer.sql(
        at: address, "SELECT id, batch, state, images, prompt, attempts FROM job_overview ORDER BY id")
        == ["1|n|queued|0/1|a cat|0/3", "2|n|cancelled|0/1|b|0/3"])
    #expect(
      try PostgresServer.sql(at: address, "SELECT name, state, queued, cancelled FROM batch_overview")
        == ["n|open|1|1"])
    #expect(
      try PostgresServer.sql(at: address, "SELECT what FROM event_log ORDER BY id")
        == ["enqueued", "cancelled"])
  }
}
