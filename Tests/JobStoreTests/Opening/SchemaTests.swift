import Foundation
import GRDB
import JobStore
import Migrations
import TestSupport
import Testing

/// What somebody has changed in the schema is put right, or named.
@Suite struct SchemaTests {
  private func force(_ path: String, _ sql: String) throws {
    try DatabaseQueue(path: path).writeWithoutTransaction { db in
      try db.execute(sql: "PRAGMA foreign_keys = OFF; \(sql)")
    }
  }

  /// A database of any age has nothing to put right once it is upgraded: a difference in wording is none.
  @Test func upgradedQueuesAreAsTheyShouldBe() throws {
    let schemas = URL(fileURLWithPath: Places.inRepository("Tests/Schemas"))
    let names = try FileManager.default.contentsOfDirectory(atPath: schemas.path).filter {
      $0.hasSuffix(".sqlite")
    }
    #expect(names.count >= 6)
    for name in names {
      let queue = try TestQueue()
      try queue.database.close()
      for ending in ["", "-wal", "-shm"] { unlink(queue.path + ending) }
      try FileManager.default.copyItem(
        atPath: schemas.appending(path: name).path, toPath: queue.path)
      let daemon = try QueueDatabase.open(path: queue.path, role: .daemon)
      #expect(try QueueClient(daemon).setAside().isEmpty, "\(name)")
      try QueueClient(daemon).verify()
    }
  }

  /// While a daemon runs it notices at its next look, before its next claim fails.
  @Test func aForeignTriggerIsKeptAsText() throws {
    let queue = try TestQueue()
    try queue.enqueue("a")
    _ = try queue.session()
    let sql = "CREATE TRIGGER mine AFTER INSERT ON jobs BEGIN SELECT RAISE(ABORT, 'mine'); END"
    try force(queue.path, sql)
    #expect(throws: JobStoreError.self) {
      try queue.another().enqueue(BatchRequest(), requests: [request("b")])
    }
    try queue.session().verify()
    _ = try queue.another().enqueue(BatchRequest(), requests: [request("b")])
    let aside = try #require(try queue.client.setAside().first)
    #expect(
      aside.table == "trigger" && aside.row.contains(#""name":"mine","table":"jobs","sql":"CREATE TRIGGER"#))
    // Once: the next look finds nothing new.
    try queue.session().verify()
    #expect(try queue.client.setAside().count == 1)
    // What is nobody's of the queue's stays.
    try force(queue.path, "CREATE TABLE mine (x); CREATE INDEX mine_x ON mine (x); CREATE VIEW v AS SELECT 1")
    try queue.session().verify()
    #expect(try queue.client.setAside().count == 1)
    #expect(try queue.sql { try $0.tableExists("mine") })
  }

  /// A view may still name a table that a migration has renamed.
  @Test func everyViewCanBeRead() throws {
    let queue = try TestQueue()
    try queue.enqueue("a")
    let views = try queue.sql {
      try String.fetchAll($0, sql: "SELECT name FROM sqlite_schema WHERE type = 'view'")
    }
    #expect(views.contains("job_overview") && views.contains("event_log"))
    for view in views {
      #expect(throws: Never.self, "\(view)") {
        try queue.sql { _ = try Row.fetchAll($0, sql: "SELECT * FROM \(view)") }
      }
    }
  }

  /// A table that is not what it was has lost its rows or their meaning: the daemon says which, and does nothing.
  @Test(arguments: [
    ("ALTER TABLE jobs DROP COLUMN furthest_step", "jobs", "furthest_step"),
    ("DROP TABLE checkpoints", "checkpoints", "missing"),
    ("DROP TABLE models; CREATE VIEW models AS SELECT 'x' AS name", "models", "missing"),
    (
      "CREATE TABLE other AS SELECT * FROM workers; DROP TABLE workers; ALTER TABLE other RENAME TO workers",
      "workers", "column"
    ),
    (
      "DROP TABLE set_aside; CREATE TABLE set_aside (id INTEGER PRIMARY KEY, at INTEGER NOT NULL, source TEXT NOT NULL, row TEXT NOT NULL)",
      "set_aside", "another way"
    ),
    (
      "DROP TABLE set_aside; CREATE TABLE set_aside (id INTEGER PRIMARY KEY, at INTEGER NOT NULL, source TEXT NOT NULL, row BLOB NOT NULL) STRICT",
      "set_aside", "column row"
    ),
    (
      "DROP TABLE former_images; CREATE TABLE former_images (job INTEGER NOT NULL, path TEXT NOT NULL, number INTEGER NOT NULL, seed INTEGER NOT NULL, width INTEGER NOT NULL, height INTEGER NOT NULL, digest TEXT NOT NULL, bytes INTEGER NOT NULL, seconds REAL NOT NULL, numerics TEXT, PRIMARY KEY (job, path)) STRICT",
      "former_images", "another way"
    ),
  ])
  func aWrongTableIsNamed(change: String, table: String, reason: String) throws {
    let queue = try TestQueue()
    try queue.enqueue("a")
    let session = try queue.session()
    try force(queue.path, change)
    for error in [
      storeError { try session.verify() },
      storeError { _ = try QueueDatabase.open(path: queue.path, role: .daemon) },
    ] {
      guard case .wrongSchema(queue.path, table, let text) = error else {
        Issue.record("\(String(describing: error))")
        continue
      }
      #expect(text.contains(reason) && error?.description.contains("restore a backup") == true)
    }
  }

  /// A column that somebody added is in nobody's way.
  @Test func aColumnMoreIsNoFault() throws {
    let queue = try TestQueue()
    try queue.enqueue("a")
    try force(queue.path, "ALTER TABLE jobs ADD COLUMN note TEXT")
    try queue.session().verify()
    #expect(try queue.claim() != nil)
  }

  /// By its tables a queue is known, whatever its marks say; another program's database is not.
  @Test(arguments: ["user_version = 0", "application_id = 0", "application_id = 7", "user_version = -3"])
  func changedMarksAreMadeRight(change: String) throws {
    let queue = try TestQueue()
    try queue.enqueue("kept")
    try queue.database.close()
    try force(queue.path, "PRAGMA \(change)")
    let daemon = try QueueDatabase.open(path: queue.path, role: .daemon)
    #expect(try QueueClient(daemon).list().map(\.prompt) == ["kept"])
    let marks = try queue.sql { db in
      try ["user_version", "application_id"].map { try Int.fetchOne(db, sql: "PRAGMA \($0)") }
    }
    #expect(marks == [Migration.latest, 0x5347_4D4F])
  }

  /// Without its marks an old queue is upgraded from the schema that its tables are of.
  @Test func anOldQueueWithoutItsNumberIsUpgraded() throws {
    let path = NSTemporaryDirectory() + "segmoe-marks-\(UUID().uuidString)"
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: path) }
    let queue = try DatabaseQueue(path: path + "/queue.sqlite")
    try queue.writeWithoutTransaction { db in
      for migration in Migration.all.prefix(4) { try db.execute(sql: migration.sql) }
      try db.execute(
        sql: "INSERT INTO batches (name, created_at, first_job, last_job) VALUES ('kept', 0, 1, 1)")
    }
    try queue.close()
    let daemon = try QueueDatabase.open(path: path + "/queue.sqlite", role: .daemon)
    #expect(try QueueClient(daemon).batches(limit: 9).map(\.name) == ["kept"])
  }

  /// The last number there is leaves none for the next job: clients say so, and a daemon makes room.
  @Test(arguments: ["jobs", "batches"]) func theLastNumberIsNotTheEnd(table: String) throws {
    let queue = try TestQueue()
    try queue.enqueue("a")
    try force(queue.path, "UPDATE sqlite_sequence SET seq = 9223372036854775807 WHERE name = '\(table)'")
    let error = storeError {
      _ = try queue.another().enqueue(BatchRequest(), requests: [request("b")])
    }
    guard case .wrongRow(let reason) = error else {
      Issue.record("\(String(describing: error))")
      return
    }
    #expect(reason.contains("9223372036854775807 in table \(table)"))
    try queue.anotherSession("new").close()
    #expect(try queue.another().enqueue(BatchRequest(), requests: [request("b")]).jobs == 2...2)
  }

  /// Texts that are none: the claim ends them or renders them, and the next is taken.
  @Test(arguments: ["CAST(x'FFFE' AS TEXT)", "'a' || char(0) || 'b'", "CAST(x'EDA080' AS TEXT)"])
  func textsThatAreNone(text: String) throws {
    let queue = try TestQueue()
    try queue.enqueue("a", "b")
    for column in ["prompt", "model", "loras", "scheduler", "error", "embeddings", "vae"] {
      try force(queue.path, "UPDATE jobs SET \(column) = \(text) WHERE id = 1")
    }
    var claimed: [Int64] = []
    while let job = try queue.claim() {
      claimed.append(job.job.id)
      try queue.session().giveBack(job.lease)
      try force(queue.path, "UPDATE jobs SET state = 'cancelled' WHERE id = \(job.job.id)")
    }
    #expect(claimed.last == 2)
    #expect(try queue.client.list().count == 2)
  }

  /// What a crashed shell leaves beside the queue: a journal is of no use to a database with a log, and hurts nobody.
  @Test func aForgottenJournalHurtsNobody() throws {
    let queue = try TestQueue()
    try queue.enqueue("kept")
    try queue.database.close()
    for bytes in [Data(), Data("junk".utf8), Data(repeating: 0, count: 4096)] {
      try bytes.write(to: URL(fileURLWithPath: queue.path + "-journal"))
      let daemon = try QueueDatabase.open(path: queue.path, role: .daemon)
      #expect(try QueueClient(daemon).list().map(\.prompt) == ["kept"])
      try daemon.close()
    }
  }
}
