import Foundation
import GRDB
import JobStore
import Migrations
import Requests
import TestSupport
import Testing

/// Databases of every earlier schema, made by the program of that time (`scripts/make-schema-fixture`), are
/// brought up to date and go on working.
@Suite struct MigrationTests {
  /// A copy to migrate.
  private final class Fixture {
    private let place: TemporaryFolder
    let path: String
    var folder: String { place.path }

    init(_ number: Int) throws {
      place = try TemporaryFolder()
      path = try place.copy(
        Places.inRepository("Tests/Schemas/schema-\(number).sqlite"), to: "queue.sqlite")
    }

    func beside(_ ending: String) -> [String] { place.names.filter { $0.hasSuffix(ending) } }
  }

  /// Columns whose values a step of the schema says anew: none was an empty text; a new kind of fingerprint.
  private static let saidAnew = ["negative_prompt", "fingerprint"]

  /// Every row of every table as text, of the columns that both databases have.
  private func rows(_ path: String, beside other: String) throws -> [String: [String]] {
    func columns(_ path: String) throws -> [String: [String]] {
      try DatabaseQueue(path: path).read { db in
        let tables = try String.fetchAll(
          db, sql: "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")
        return try Dictionary(
          uniqueKeysWithValues: tables.map { ($0, try db.columns(in: $0).map(\.name)) })
      }
    }
    let (mine, others) = (try columns(path), try columns(other))
    let wanted = mine.filter { others[$0.key] != nil }.reduce(into: [String: [String]]()) { wanted, table in
      wanted[table.key] = table.value.filter {
        others[table.key]?.contains($0) == true && !Self.saidAnew.contains($0)
      }.sorted()
    }
    return try DatabaseQueue(path: path).read { db in
      try Dictionary(
        uniqueKeysWithValues: wanted.map { table, columns in
          let list = columns.map { "quote(\"\($0)\")" }.joined(separator: " || ', ' || ")
          return (table, try String.fetchAll(db, sql: "SELECT \(list) FROM \(table) ORDER BY 1"))
        })
    }
  }

  @Test(arguments: 1..<max(2, Migration.latest)) func everyRowIsKept(schema: Int) throws {
    let (old, fixture) = (try Fixture(schema), try Fixture(schema))
    try #require(schema < Migration.latest)
    #expect(
      storeError { _ = try QueueDatabase.open(path: fixture.path, role: .client) }
        == .schemaTooOld(path: fixture.path, found: schema, known: Migration.latest))
    try QueueDatabase.open(path: fixture.path, role: .daemon).close()
    let (now, before) = (try rows(fixture.path, beside: old.path), try rows(old.path, beside: fixture.path))
    #expect(now == before && before.values.contains { !$0.isEmpty })
    let facts = try DatabaseQueue(path: fixture.path).read { db in
      try ["PRAGMA integrity_check", "PRAGMA user_version", "SELECT count(*) FROM pragma_foreign_key_check"]
        .map { try String.fetchOne(db, sql: $0) }
    }
    #expect(facts == ["ok", "\(Migration.latest)", "0"])
  }

  /// The way there makes no difference: tables, indexes, triggers and views are those of a new database.
  @Test(arguments: 1..<max(2, Migration.latest)) func theSchemaIsThatOfANewDatabase(schema: Int) throws {
    let (migrated, new) = (try Fixture(schema), try TestQueue())
    try QueueDatabase.open(path: migrated.path, role: .daemon).close()
    func text(_ path: String) throws -> [String] {
      try DatabaseQueue(path: path).read {
        try String.fetchAll($0, sql: "SELECT type || name || coalesce(sql, '') FROM sqlite_schema ORDER BY 1")
      }
    }
    #expect(try text(migrated.path) == text(new.path))
  }

  /// The copy from before, whole, under its own name; nothing half-made beside it.
  @Test(arguments: 1..<max(2, Migration.latest)) func aBackupIsMadeBefore(schema: Int) throws {
    let (old, fixture) = (try Fixture(schema), try Fixture(schema))
    // What a daemon left that died while copying, long ago, and what one is perhaps at just now.
    let abandoned = fixture.path + ".schema-\(schema).1.backup.part"
    let current = fixture.path + ".schema-\(schema).2.backup.part"
    for path in [abandoned, current] { try Data("half".utf8).write(to: URL(fileURLWithPath: path)) }
    try FileManager.default.setAttributes(
      [.modificationDate: Date(timeIntervalSinceNow: -3600)], ofItemAtPath: abandoned)
    try QueueDatabase.open(path: fixture.path, role: .daemon).close()
    let backups = fixture.beside(".backup")
    #expect(backups.count == 1 && backups[0].hasPrefix("queue.sqlite.schema-\(schema)."))
    #expect(fixture.beside(".part") == ["queue.sqlite.schema-\(schema).2.backup.part"])
    let backup = fixture.folder + "/" + (try #require(backups.first))
    #expect(try rows(backup, beside: old.path) == rows(old.path, beside: backup))
    let version = try DatabaseQueue(path: backup).read { try Int.fetchOne($0, sql: "PRAGMA user_version") }
    #expect(version == schema)
    // Once is enough.
    try QueueDatabase.open(path: fixture.path, role: .daemon).close()
    #expect(fixture.beside(".backup").count == 1)
  }

  @Test(arguments: 1..<max(2, Migration.latest)) func theQueueGoesOn(schema: Int) throws {
    let fixture = try Fixture(schema)
    let session = try WorkerSession.signOn(
      QueueDatabase.open(path: fixture.path, role: .daemon),
      WorkerRecord(name: "new", pid: 1, host: "h", version: "1"), leaseSeconds: 60
    ) { _ in false }
    var claimed: [Int64] = []
    // The one whose daemon died, the ones not begun; not the paused one, nor the one for later.
    while let job = try session.claim() {
      claimed.append(job.job.id)
      let settings = job.request.render
      let images = (0..<settings.count).map { index in
        ImageRecord(
          index: index, path: "/out/\(job.job.batch)/\(job.job.id)-\(index).png",
          seed: settings.seed + UInt64(index), width: settings.width ?? 0, height: settings.height ?? 0,
          digest: String(repeating: "b", count: 64), bytes: 1, seconds: 1)
      }
      try session.finish(job.lease, images: images, statistics: RenderStatistics())
    }
    #expect(claimed == [2, 3, 4, 9])
    let counts = try session.client.status().counts
    #expect(counts.done == 5 && counts.queued == 2 && counts.failed == 1 && counts.cancelled == 1)
    // The key is remembered.
    var request = JobRequest(RenderRequest(model: "demo", prompt: "nightly"))
    request.render.seed = 8
    // The default of the clients that made the fixtures, which is work that they asked for.
    request.render.precision = schema < 3 ? .f32 : .bf16
    request.maxAttempts = 5
    let again = try session.client.enqueue(BatchRequest(key: "nightly-2026"), requests: [request])
    #expect(!again.isNew && again.jobs == 4...4)
    #expect(try session.client.details(job: 1).images.count == 2)
  }

  /// A row that breaks its constraints fails no upgrade: it is set aside, by name, and everything else is kept.
  @Test(arguments: [1, 2, 3, 4], ["width = 7", "state = 'lost'", "memory_budget = -1, height = 12"])
  func aWrongRowIsSetAside(schema: Int, change: String) throws {
    let fixture = try Fixture(schema)
    let before = try DatabaseQueue(path: fixture.path).writeWithoutTransaction { db in
      try db.execute(sql: "PRAGMA ignore_check_constraints = ON; UPDATE jobs SET \(change) WHERE id = 3")
      return try Int.fetchOne(db, sql: "SELECT count(*) FROM jobs") ?? 0
    }
    let client = QueueClient(try QueueDatabase.open(path: fixture.path, role: .daemon))
    #expect(try client.list().count == before - 1)
    let aside = try client.setAside()
    #expect(aside.map(\.table) == ["jobs"])
    #expect(
      aside.first?.row.contains("\"id\":3,") == true || aside.first?.row.contains("\"id\":\"3\"") == true)
  }

  /// A step that fails at every start leaves one backup, not one a start.
  @Test func thereIsOneBackupOfEachSchema() throws {
    let fixture = try Fixture(4)
    let broken = Migration(
      number: Migration.latest + 1, name: "broken", sql: "INSERT INTO nowhere VALUES (1)")
    for _ in 0..<3 {
      _ = try? QueueDatabase.open(path: fixture.path, role: .daemon, migrations: Migration.all + [broken])
    }
    // Of the schema that it came from, and of the one that it got to.
    #expect(fixture.beside(".backup").count == 2)
  }
}
