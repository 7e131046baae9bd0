import Foundation
import GRDB
import JobStore
import Migrations
import TestSupport
import Testing

@Suite struct OpeningTests {
  private let place: TemporaryFolder

  init() throws { place = try TemporaryFolder() }

  @Test(arguments: [QueueDatabase.Role.client, .daemon])
  func whoeverComesFirstMakesTheDatabase(role: QueueDatabase.Role) throws {
    let path = place.file("a/b/queue.sqlite")
    let store = try QueueDatabase.open(path: path, role: role)
    #expect(try QueueClient(store).status().counts.total == 0)
    let pragmas = try DatabaseQueue(path: path).read { db in
      try ["journal_mode", "user_version", "application_id"].map {
        try String.fetchOne(db, sql: "SELECT CAST(\($0) AS TEXT) FROM pragma_\($0)") ?? ""
      }
    }
    #expect(pragmas == ["wal", "\(Migration.latest)", "\(0x5347_4D4F)"])
  }

  /// Many times: nobody may see it half-made, and take it for that of an older program.
  @Test(arguments: 0..<20) func manyMayMakeItAtOnce(round: Int) async throws {
    let path = place.file("queue.sqlite")
    try await withThrowingTaskGroup(of: Void.self) { group in
      for number in 0..<8 {
        group.addTask {
          let store = try QueueDatabase.open(path: path, role: number % 2 == 0 ? .client : .daemon)
          _ = try QueueClient(store).enqueue(BatchRequest(), requests: [request("p\(number)")])
        }
      }
      try await group.waitForAll()
    }
    #expect(try QueueClient.open(path: path).status().counts.queued == 8)
  }

  @Test func newerSchemaIsRefusedByAll() throws {
    let queue = try TestQueue()
    try queue.sql { try $0.execute(sql: "PRAGMA user_version = 99") }
    for role in [QueueDatabase.Role.client, .daemon] {
      let error = storeError { _ = try QueueDatabase.open(path: queue.path, role: role) }
      #expect(error == .schemaTooNew(path: queue.path, found: 99, known: Migration.latest))
      #expect(error?.description.contains("upgrade") == true)
    }
  }

  private let next = Migration(
    number: Migration.latest + 1, name: "next", sql: "ALTER TABLE jobs ADD COLUMN mood TEXT;")

  @Test func olderSchemaWaitsForTheDaemon() throws {
    let queue = try TestQueue()
    try queue.enqueue("kept")
    try queue.database.close()
    let longer = Migration.all + [next]
    let refusal = storeError {
      _ = try QueueDatabase.open(path: queue.path, role: .client, migrations: longer)
    }
    #expect(refusal == .schemaTooOld(path: queue.path, found: Migration.latest, known: longer.count))

    let daemon = try QueueDatabase.open(path: queue.path, role: .daemon, migrations: longer)
    #expect(try QueueClient(daemon).list().map(\.prompt) == ["kept"])
    #expect(try queue.sql { try Int.fetchOne($0, sql: "PRAGMA user_version") } == longer.count)
    // Now it is too new for us.
    #expect(throws: JobStoreError.self) { try queue.another() }

    let backups = try FileManager.default.contentsOfDirectory(atPath: queue.folder).filter {
      $0.hasSuffix(".backup")
    }
    let backup = try #require(backups.first)
    let old = try QueueClient.open(path: "\(queue.folder)/\(backup)")
    #expect(backups.count == 1)
    #expect(try old.list().map(\.prompt) == ["kept"])
  }

  /// A daemon or a watch that is running when a newer one migrates the queue says so, too.
  @Test func whoIsThereWhenTheQueueIsMigratedIsTold() throws {
    let queue = try TestQueue()
    try queue.client.verify()
    let longer = Migration.all + [next]
    try QueueDatabase.open(path: queue.path, role: .daemon, migrations: longer).close()
    #expect(
      storeError { try queue.client.verify() }
        == .schemaTooNew(path: queue.path, found: longer.count, known: Migration.latest))
  }

  @Test func aQueueThatIsReplacedIsNoticed() throws {
    let queue = try TestQueue()
    try FileManager.default.moveItem(atPath: queue.path, toPath: queue.path + ".old")
    #expect(storeError { try queue.client.verify() } == .replaced(path: queue.path))
    // Also by another of the same name.
    try QueueDatabase.open(path: queue.path, role: .client).close()
    #expect(storeError { try queue.client.verify() } == .replaced(path: queue.path))
  }

  /// Whoever may write the file may plant triggers. They can do what SQL can do, and nothing that reaches out of it.
  @Test func plantedTriggersMayNotReachOut() throws {
    let queue = try TestQueue()
    try queue.enqueue("a")
    try queue.sql { db in
      // Of a table that is no table: harmless, but of the kind that could do anything.
      try db.execute(
        sql: """
          CREATE TRIGGER planted AFTER INSERT ON events BEGIN
            UPDATE queue SET paused = paused + (SELECT count(*) FROM pragma_table_info('jobs')) * 0;
          END
          """)
      try db.execute(sql: "INSERT INTO events (at, what) VALUES (1, 'paused')")
    }
    let error = storeError { try queue.another().setPaused(true, batch: 1) }
    guard case .database(_, _, let reason) = error else {
      Issue.record("\(String(describing: error))")
      return
    }
    #expect(reason.contains("unsafe use"))
    // A daemon takes it away.
    #expect(try queue.claim() != nil)
    #expect(try queue.client.setAside().map(\.table) == ["trigger"])
  }

  @Test func failedMigrationLeavesTheDatabaseAsItWas() throws {
    let queue = try TestQueue()
    try queue.enqueue("kept")
    let broken = Migration(
      number: Migration.latest + 1, name: "broken",
      sql: "DROP VIEW job_overview; INSERT INTO nowhere VALUES (1);")
    let error = storeError {
      _ = try QueueDatabase.open(path: queue.path, role: .daemon, migrations: Migration.all + [broken])
    }
    guard case .migrationFailed(_, "broken", let reason) = error else {
      Issue.record("\(String(describing: error))")
      return
    }
    #expect(reason.contains("nowhere"))
    #expect(try queue.another().list().count == 1)
    #expect(try queue.sql { try Row.fetchAll($0, sql: "SELECT * FROM job_overview").count } == 1)
  }

  /// A thread that comes after the daemon has closed the queue must not end the process.
  @Test func whoComesAfterTheCloseIsTold() throws {
    let queue = try TestQueue()
    let session = try queue.anotherSession("late")
    let client = session.client
    try session.close()
    try session.close()
    let closed = JobStoreError.closed(path: queue.path)
    #expect(storeError { _ = try client.changeMark() } == closed)
    #expect(storeError { _ = try client.status() } == closed)
    #expect(storeError { try session.heartbeat() } == closed)
    #expect(storeError { _ = try client.enqueue(BatchRequest(), requests: [request("p")]) } == closed)
    #expect(try queue.client.status().counts.total == 0)
  }

  @Test func otherPeoplesDatabaseIsLeftAlone() throws {
    let path = place.file("file")
    try DatabaseQueue(path: path).write { try $0.execute(sql: "CREATE TABLE notes (text)") }
    let before = try Data(contentsOf: URL(fileURLWithPath: path))
    #expect(
      storeError { _ = try QueueDatabase.open(path: path, role: .daemon) } == .foreignDatabase(path: path))
    #expect(try Data(contentsOf: URL(fileURLWithPath: path)) == before)
  }

  @Test func whatIsNoDatabaseIsNamed() throws {
    let path = place.file("file")
    try String(repeating: "shopping list\n", count: 100).write(
      toFile: path, atomically: true, encoding: .utf8)
    #expect(storeError { _ = try QueueDatabase.open(path: path, role: .client) } == .notADatabase(path: path))
    let below = storeError { _ = try QueueDatabase.open(path: path + "/queue.sqlite", role: .client) }
    guard case .notAccessible = below else {
      Issue.record("\(String(describing: below))")
      return
    }
    #expect(storeError { _ = try QueueDatabase.open(path: place.path, role: .client) } != nil)
  }

  @Test func placesByEnvironment() {
    func place(_ environment: [String: String]) -> String {
      QueueDatabase.defaultPath(environment: environment)
    }
    #expect(place(["SEGMOE_DATABASE": "q.db", "HOME": "/h"]) == "q.db")
    #expect(place(["STATE_DIRECTORY": "/var/lib/segmoe:/x", "HOME": "/h"]) == "/var/lib/segmoe/queue.sqlite")
    #expect(place(["XDG_STATE_HOME": "/s", "HOME": "/h"]) == "/s/segmoe/queue.sqlite")
    #expect(place(["XDG_STATE_HOME": "relative", "HOME": "/h"]) == "/h/.local/state/segmoe/queue.sqlite")
    #expect(place(["SEGMOE_DATABASE": ""]) == "/var/lib/segmoe/queue.sqlite")
  }
}
