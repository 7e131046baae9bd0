import Foundation
import Fuzzing
import GRDB
import JobStore
import TestSupport
import Testing

/// Rows changed at random, as somebody at `sqlite3` could who lets no constraint stop him.
@Suite struct RowFuzzTests {
  private static let tables = [
    "jobs", "jobs", "jobs", "queue", "workers", "models", "progress", "checkpoints", "batches", "images",
    "events", "previews",
  ]
  private static let values: [DatabaseValue] = [
    .null, (-1).databaseValue, 0.databaseValue, 1.databaseValue, 7.databaseValue, Int64.max.databaseValue,
    Int64.min.databaseValue, 1e308.databaseValue, (-0.5).databaseValue, "".databaseValue, "x".databaseValue,
    "queued".databaseValue, "running".databaseValue, "done".databaseValue, "failed".databaseValue,
    "cancelled".databaseValue, "w".databaseValue, "[1,2".databaseValue, "{\"a\":1}".databaseValue,
    "\u{202E}\u{1B}[2J狐".databaseValue, String(repeating: "y", count: 70_000).databaseValue,
    Data([0, 0xff, 0x80]).databaseValue, Data(count: 5000).databaseValue,
  ]

  /// Up to four values anywhere, or rows that are gone. Of jobs and batches only the first two and the first.
  private func change(_ queue: TestQueue, _ numbers: inout RandomNumbers) throws -> [String] {
    var changes: [String] = []
    let database = try DatabaseQueue(path: queue.path)
    try database.writeWithoutTransaction { db in
      try db.execute(sql: "PRAGMA ignore_check_constraints = ON; PRAGMA foreign_keys = OFF")
      for _ in 0...numbers.below(3) {
        let table = Self.tables[numbers.below(Self.tables.count)]
        let columns = try Row.fetchAll(db, sql: "SELECT name FROM pragma_table_info(?)", arguments: [table])
        guard let column = columns[numbers.below(columns.count)]["name"] as String? else { continue }
        // Whoever reads that the queue is elsewhere shall stop.
        if column == "moved_to" { continue }
        let value = Self.values[numbers.below(Self.values.count)]
        let rows =
          switch table {
          case "jobs": "id = \(1 + numbers.below(2))"
          case "batches": "id = 1"
          case "progress", "checkpoints", "images", "events", "previews": "job IN (1, 2)"
          default: "TRUE"
          }
        let isGone = numbers.below(8) == 0
        changes.append("\(isGone ? "DELETE" : column) \(table) \(rows) \(value)".prefix(200).description)
        // Types of columns, keys and triggers still hold: then nothing is changed.
        do {
          if isGone {
            try db.execute(sql: "DELETE FROM \(table) WHERE \(rows)")
          } else {
            try db.execute(sql: "UPDATE \(table) SET \"\(column)\" = ? WHERE \(rows)", arguments: [value])
          }
        } catch is DatabaseError {}
      }
    }
    return changes
  }

  @Test func fuzzedRowsNeverStopTheQueue() throws {
    _ = try FuzzRun("rows", cases: 40) { _, numbers in
      let queue = try TestQueue()
      try queue.enqueue("a", "b")
      try queue.enqueue("c", "d", "e", "f")
      let session = try queue.session()
      if numbers.below(2) == 0, let done = try session.claim() {
        try session.finish(done.lease, images: [image(0)], statistics: RenderStatistics())
      }
      let running = numbers.below(2) == 0 ? try session.claim() : nil
      if let running { try session.keep(preview: [1], step: 1, index: 0, running.lease) }
      let changes = try change(queue, &numbers)
      do {
        try session.beat()
        if let running {
          _ = Result {
            try session.finish(
              running.lease, images: [image(0, of: running.job.id)], statistics: RenderStatistics())
          }
        }
        for session in [session, try queue.anotherSession("new")] {
          for _ in 0..<8 {
            queue.pass(seconds: 3700)
            while let claimed = try session.claim() {
              try session.finish(
                claimed.lease, images: [image(0, of: claimed.job.id)], statistics: RenderStatistics())
            }
          }
        }
      } catch {
        Issue.record("\(error): \(changes)")
      }
      // Whoever looks gets an answer, or is told which row is wrong.
      for look in [
        { _ = try queue.client.status() }, { _ = try queue.client.list() },
        { _ = try queue.client.details(job: 1) }, { _ = try queue.client.previews(jobs: [1, 2, 3]) },
        { _ = try queue.client.expired(Retention(), limit: 9) },
      ] as [() throws -> Void] {
        do { try look() } catch is JobStoreError {}
      }
      let states = try queue.sql { try String.fetchAll($0, sql: "SELECT state FROM jobs WHERE id > 2") }
      #expect(states == ["done", "done", "done", "done"], "\(states): \(changes)")
    }
  }
}
