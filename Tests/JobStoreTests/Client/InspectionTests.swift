import GRDB
import JobStore
import Testing

/// What a person sees who opens the database with sqlite3.
@Suite struct InspectionTests {
  private func overview(_ queue: TestQueue) throws -> [[String: String]] {
    try queue.sql { db in
      try Row.fetchAll(db, sql: "SELECT * FROM job_overview ORDER BY id").map { row in
        Dictionary(
          row.map {
            ($0, String.fromDatabaseValue($1) ?? Int64.fromDatabaseValue($1).map(String.init) ?? "")
          },
          uniquingKeysWith: { $1 })
      }
    }
  }

  @Test func overviewSaysWhatAPersonWantsToKnow() throws {
    let queue = try TestQueue()
    try queue.enqueue("running", "waiting", model: "/models/demo-4x2")
    _ = try queue.client.enqueue(
      BatchRequest(name: "night"), requests: [request("long " + String(repeating: "x", count: 100), count: 4)]
    )
    let lease = try #require(try queue.claim("w")).lease
    try queue.session().fail(#require(try queue.claim("w")).lease, message: "disk full", kind: .transient)
    try queue.session().report(
      ImageProgress(
        index: 0, phase: .denoising, step: 7, steps: 25, secondsPerStep: 1, expectedEnd: queue.now),
      lease)
    let rows = try overview(queue)
    #expect(rows.map { $0["id"] } == ["1", "2", "3"])
    #expect(rows[0]["state"] == "running")
    #expect(rows[0]["progress"] == "7/25")
    #expect(rows[0]["model"] == "demo-4x2")
    #expect(rows[0]["attempts"] == "1/3")
    #expect(rows[0]["worker"] == "w")
    #expect(rows[0]["eta"]?.wholeMatch(of: /\d\d:\d\d:\d\d/) != nil)
    #expect(rows[1]["state"]?.hasPrefix("queued until 2027-01-1") == true)
    #expect(rows[1]["error"] == "disk full")
    #expect(rows[2]["batch"] == "night")
    #expect(rows[2]["images"] == "0/4")
    #expect(rows[2]["prompt"]?.count == 48)
    #expect(rows[2]["created"]?.wholeMatch(of: /\d{4}-\d\d-\d\d \d\d:\d\d:\d\d/) != nil)
  }

  @Test func overviewTellsPausedFromHeld() throws {
    let queue = try TestQueue()
    try queue.enqueue("a\u{1B}[2J\nb")
    try queue.client.setPaused(true, batch: 1)
    let row = try #require(try overview(queue).first)
    #expect(row["state"] == "paused")
    #expect(row["prompt"] == "a?[2J b")
  }

  @Test func batchesAndEventsAreReadable() throws {
    let queue = try TestQueue()
    try queue.enqueue("a", "b")
    _ = try queue.claim()
    let rows = try queue.sql { db in
      try (
        String.fetchOne(db, sql: "SELECT state || queued || running FROM batch_overview"),
        String.fetchAll(db, sql: "SELECT what FROM event_log ORDER BY id"),
        String.fetchOne(db, sql: "SELECT at FROM event_log")
      )
    }
    #expect(rows.0 == "open11")
    #expect(rows.1 == ["enqueued", "worker_started", "claimed"])
    #expect(rows.2?.wholeMatch(of: /\d{4}-\d\d-\d\d \d\d:\d\d:\d\d/) != nil)
  }

  /// STRICT tables and CHECK constraints keep a slip of the hand out.
  @Test(arguments: [
    "UPDATE jobs SET state = 'lost'",
    "UPDATE jobs SET state = 'running'",
    "UPDATE jobs SET lease_owner = 'w'",
    "UPDATE jobs SET width = 'wide'",
    "UPDATE jobs SET width = 100",
    "UPDATE jobs SET attempts = 3",
    "UPDATE jobs SET error_kind = 'whim'",
    "UPDATE jobs SET batch = 99",
    "INSERT INTO queue (id) VALUES (2)",
    "INSERT INTO progress VALUES (1, 0, 'dreaming', 1, 2, NULL, NULL, 0)",
    "INSERT INTO images VALUES (99, 0, '/x', 0, 8, 8, '\(String(repeating: "a", count: 64))', 1, 1.0, NULL)",
  ])
  func slipsOfTheHandAreRefused(statement: String) throws {
    let queue = try TestQueue()
    try queue.enqueue("a")
    #expect(throws: DatabaseError.self) { try queue.sql { try $0.execute(sql: statement) } }
  }

  @Test func deletingABatchTakesEverythingAlong() throws {
    let queue = try TestQueue()
    try queue.enqueue("a", "b")
    let lease = try #require(try queue.claim()).lease
    try queue.session().finish(lease, images: [image(0)], statistics: RenderStatistics())
    try queue.sql { try $0.execute(sql: "DELETE FROM batches") }
    #expect(try queue.client.status().counts == StateCounts())
    let left = try queue.sql { db in
      try ["jobs", "images", "progress", "events WHERE batch IS NOT NULL OR job IS NOT NULL"].map {
        try Int.fetchOne(db, sql: "SELECT count(*) FROM \($0)") ?? -1
      }
    }
    #expect(left == [0, 0, 0, 0])
    // Numbers never come twice, so old file names stay unique.
    #expect(try queue.enqueue("c").jobs == 3...3)
  }
}
