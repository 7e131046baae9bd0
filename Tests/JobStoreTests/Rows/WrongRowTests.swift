import Foundation
import GRDB
import JobStore
import Testing

/// Rows that no program writes: whatever one says, the queue goes on.
@Suite struct WrongRowTests {
  /// Somebody at `sqlite3` who lets nothing stop him.
  private func force(_ queue: TestQueue, _ sql: String) throws {
    try DatabaseQueue(path: queue.path).writeWithoutTransaction { db in
      try db.execute(sql: "PRAGMA ignore_check_constraints = ON; PRAGMA foreign_keys = OFF; \(sql)")
    }
  }

  private static let changes = [
    // Of a job that waits.
    "UPDATE jobs SET held = 99 WHERE id = 1", "UPDATE jobs SET attempts = 99 WHERE id = 1",
    "UPDATE jobs SET attempts = -5 WHERE id = 1", "UPDATE jobs SET losses = 9223372036854775807 WHERE id = 1",
    "UPDATE jobs SET claims = 9223372036854775807 WHERE id = 1",
    "UPDATE jobs SET max_attempts = 0 WHERE id = 1", "UPDATE jobs SET lease_owner = 'x' WHERE id = 1",
    "UPDATE jobs SET cancel_requested = 7 WHERE id = 1", "UPDATE jobs SET batch = 4711 WHERE id = 1",
    "UPDATE jobs SET furthest_step = 9223372036854775807 WHERE id = 1",
    "UPDATE jobs SET width = 7, steps = -1, count = -9 WHERE id = 1",
    "UPDATE jobs SET precision = 'f64' WHERE id = 1", "UPDATE jobs SET state = 'paused' WHERE id = 1",
    "UPDATE jobs SET prompt = CAST(zeroblob(3000000) AS TEXT) WHERE id = 1",
    "UPDATE jobs SET run_after = -9223372036854775807, wait_set_at = 9223372036854775807 WHERE id = 1",
    // Of one that runs.
    "DELETE FROM jobs WHERE id = 2",
    "UPDATE jobs SET lease_expires = -9223372036854775807, lease_set_at = 9223372036854775807 WHERE id = 2",
    "INSERT INTO progress SELECT 2, value, 'denoising', 9223372036854775807, 1, 0, 0, 0 FROM json_each('[5,6,7]')",
    "INSERT INTO models (name, registered_at, held_until, held_at) VALUES ('demo', 0, -9223372036854775807, 9223372036854775807)",
    "UPDATE jobs SET attempts = 99 WHERE id = 2", "UPDATE jobs SET max_attempts = 0 WHERE id = 2",
    "UPDATE jobs SET losses = 9223372036854775807 WHERE id = 2",
    "UPDATE jobs SET lease_expires = 9223372036854775807 WHERE id = 2",
    "UPDATE jobs SET lease_expires = NULL WHERE id = 2", "UPDATE jobs SET lease_owner = NULL WHERE id = 2",
    "UPDATE jobs SET state = 'queued', lease_owner = NULL, lease_expires = NULL WHERE id = 3",
    // Of the rest.
    "DELETE FROM queue", "UPDATE queue SET queued = 9223372036854775807",
    "UPDATE queue SET running = 9223372036854775807, done = -9223372036854775807",
    "UPDATE queue SET paused = 0",
    "UPDATE batches SET done = 9223372036854775807", "UPDATE batches SET failed = -9223372036854775807",
    "UPDATE workers SET state = 'bogus'", "UPDATE workers SET heartbeat_at = 9223372036854775807",
    "UPDATE workers SET heartbeat_at = -9223372036854775807", "UPDATE workers SET started_at = 5",
    "DELETE FROM workers", "DELETE FROM batches WHERE id = 1",
    "INSERT INTO models (name, registered_at, held_until) VALUES ('demo', 0, 9223372036854775807)",
    "INSERT INTO models (name, registered_at, load_failures) VALUES ('demo', 0, 9223372036854775807)",
    "INSERT INTO progress VALUES (4, 0, 'thinking', -1, -1, NULL, NULL, 0)",
    // Numbers that are never given.
    "UPDATE jobs SET id = -5 WHERE id = 1", "UPDATE jobs SET id = 9223372036854775807 WHERE id = 1",
    "INSERT INTO batches (id, name, created_at, first_job, last_job) VALUES (9223372036854775807, 'x', 0, 1, 1)",
    "UPDATE sqlite_sequence SET seq = 9223372036854775807", "UPDATE sqlite_sequence SET seq = 'many'",
    "DELETE FROM sqlite_sequence",
    // Of the schema.
    "CREATE TRIGGER no BEFORE UPDATE ON jobs BEGIN SELECT RAISE(ABORT, 'no'); END",
    "CREATE TRIGGER no BEFORE INSERT ON events BEGIN SELECT RAISE(FAIL, 'no'); END",
    "CREATE TRIGGER no AFTER UPDATE OF state ON jobs WHEN NEW.state = 'done' BEGIN UPDATE jobs SET state = 'queued', finished_at = NULL WHERE id = NEW.id; END",
    "CREATE UNIQUE INDEX no ON jobs (lease_owner)",
    "DROP INDEX jobs_due", "DROP INDEX jobs_due_by_model; CREATE INDEX jobs_due_by_model ON jobs (id)",
    "DROP TRIGGER jobs_count_over", "DROP VIEW job_overview; CREATE VIEW job_overview AS SELECT 1",
  ]

  /// A waiting job, one that runs, one that is done, and four more: after any change, all that were not touched are
  /// done in the end, nobody waits, and the counts are right.
  @Test(arguments: changes) func noneStopsTheQueue(change: String) throws {
    let queue = try TestQueue()
    try queue.enqueue("a", "b", "c", "d", "e", "f", "g")
    let session = try queue.session()
    try queue.client.setPriority(2, job: 3)
    try queue.client.setPriority(1, job: 2)
    let done = try #require(try session.claim()).lease
    try session.finish(done, images: [image(0, of: 3)], statistics: RenderStatistics())
    let running = try #require(try session.claim()).lease
    #expect(running.job == 2)
    try force(queue, change)

    try session.beat()
    try session.verify()
    _ = Result { try session.finish(running, images: [image(0, of: 2)], statistics: RenderStatistics()) }
    // One goes on, and one that starts now gets on as well.
    for session in [session, try queue.anotherSession("new")] {
      for _ in 0..<8 {
        queue.pass(seconds: 3700)
        while let claimed = try session.claim() {
          try session.finish(
            claimed.lease, images: [image(0, of: claimed.job.id)], statistics: RenderStatistics())
        }
      }
    }
    let states = try queue.sql { db in
      try Row.fetchAll(db, sql: "SELECT id, state FROM jobs").reduce(into: [Int64: String]()) {
        $0[$1["id"]] = $1["state"]
      }
    }
    // Without its batch no job has a folder for its pictures.
    for job in [Int64(4), 5, 6, 7] where !change.contains("DELETE FROM batches") {
      #expect(states[job] == "done", "\(states)")
    }
    for (job, state) in states where state != "paused" {
      #expect(state != "queued" && state != "running", "job \(job) is \(state)")
    }
    let areRight = try queue.sql { db in
      try Bool.fetchOne(
        db,
        sql: """
          SELECT queued = (SELECT count(*) FROM jobs WHERE state = 'queued')
            AND running = (SELECT count(*) FROM jobs WHERE state = 'running')
            AND done = (SELECT count(*) FROM jobs WHERE state = 'done') FROM queue
          """)
    }
    #expect(areRight == true)
    // What nobody has met since, the next start puts right.
    _ = try queue.anotherSession("late")
    let wrongBatches = try queue.sql { db in
      try Int.fetchOne(
        db,
        sql: """
          SELECT count(*) FROM batches b WHERE queued + running <> 0
            OR done <> (SELECT count(*) FROM jobs j WHERE j.batch = b.id AND j.state = 'done')
            OR failed <> (SELECT count(*) FROM jobs j WHERE j.batch = b.id AND j.state = 'failed')
          """)
    }
    #expect(wrongBatches == 0)
    // Clients get on as well.
    #expect(try queue.another().enqueue(BatchRequest(), requests: [request("z")]).jobs.lowerBound < 100)
  }

  /// Set back by hand, or by `retry`, a done job is rendered anew; what it had is known and stays.
  @Test(arguments: [true, false]) func aDoneJobIsRenderedAnew(byHand: Bool) throws {
    let queue = try TestQueue()
    try queue.enqueue("a")
    try queue.session().finish(
      #require(try queue.claim()).lease, images: [image(0)], statistics: RenderStatistics())
    if byHand {
      try queue.sql {
        try $0.execute(sql: "UPDATE jobs SET state = 'queued', attempts = 0, finished_at = NULL")
      }
    } else {
      try queue.client.retry(job: 1)
      #expect(try queue.client.details(job: 1).images == [])
    }
    var second = image(0)
    second.path = "/out/1-0-2.png"
    try queue.session().finish(
      #require(try queue.claim()).lease, images: [second], statistics: RenderStatistics())
    #expect(try queue.client.details(job: 1).images == [second])
    let former = try queue.sql { try String.fetchAll($0, sql: "SELECT path FROM former_images") }
    #expect(former == [image(0).path])
    // Retention knows of both.
    #expect(
      Set(try queue.client.expired(Retention(), limit: 9).flatMap(\.paths)) == [image(0).path, second.path])
  }

  /// A word that this version does not know is an error with the column's name, and never taken for the usual value.
  @Test(arguments: [("precision", "f64"), ("precision", ""), ("scheduler", "plms"), ("precision", "F32")])
  func anUnknownWordIsAnError(column: String, word: String) throws {
    let queue = try TestQueue()
    try queue.enqueue("a", "b")
    try queue.session().finish(
      #require(try queue.claim()).lease, images: [image(0)], statistics: RenderStatistics())
    try force(queue, "UPDATE jobs SET \(column) = '\(word)'")
    let damaged = JobStoreError.damagedRow(table: "jobs", column: column, value: "'\(word)'")
    for job in [Int64(1), 2] { #expect(storeError { _ = try queue.client.details(job: job) } == damaged) }
    if column == "precision" { #expect(storeError { _ = try queue.client.statistics() } == damaged) }
    // Nothing is rendered by it.
    #expect(try queue.claim() == nil)
    let (state, error) = try queue.sql { db in
      (
        try String.fetchOne(db, sql: "SELECT state FROM jobs WHERE id = 2"),
        try String.fetchOne(db, sql: "SELECT error FROM jobs WHERE id = 2")
      )
    }
    #expect(state == "failed" && error?.contains(column) == true, "\(error ?? "")")
  }

  /// Errors that pass are told from those that do not.
  @Test func whatIsWrongIsCalledThat() throws {
    let queue = try TestQueue()
    try queue.enqueue("a")
    let lease = try #require(try queue.claim()).lease
    var short = image(0)
    short.digest = "short"
    let error = storeError {
      try queue.session().finish(lease, images: [short], statistics: RenderStatistics())
    }
    guard case .wrongRow = error else {
      Issue.record("\(String(describing: error))")
      return
    }
    try queue.session().refuse(lease, message: "it is wrong")
    #expect(try queue.state(1) == .failed)
  }

  /// A value that no memory should hold ends its job; the error does not quote it.
  @Test(arguments: ["prompt", "negative_prompt", "model", "loras", "mask", "vae", "error"])
  func aHugeValueEndsItsJob(column: String) throws {
    let queue = try TestQueue()
    try queue.enqueue("a", "b")
    try force(queue, "UPDATE jobs SET \(column) = CAST(zeroblob(140000000) AS TEXT) WHERE id = 1")
    #expect(try queue.claim()?.job.id == 2)
    #expect(try queue.sql { try String.fetchOne($0, sql: "SELECT state FROM jobs WHERE id = 1") } == "failed")
    let size = try queue.sql { try Int.fetchOne($0, sql: "SELECT length(error) FROM jobs WHERE id = 1") }
    #expect((1...2000).contains(size ?? 0))
    #expect(try queue.client.list().count == 2)
  }
}
