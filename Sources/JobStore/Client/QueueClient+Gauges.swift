import Foundation
import GRDB

/// What there is to do in a queue, for whoever watches it or starts daemons for it.
package struct QueueGauges: Sendable, Equatable {
  package var isPaused: Bool
  /// Jobs by state.
  package var counts: StateCounts
  /// Jobs that a daemon would get if it came now; none while the queue is paused.
  package var due: Int
  /// When the first of them was queued; nil: none is due.
  package var dueSince: Milliseconds?
  /// Batches with jobs that are not over.
  package var openBatches: Int

  /// - Parameter row: a row of PostgreSQL's view `queue_gauges`, or one with its columns.
  /// - Throws: `JobStoreError.damagedRow`
  package init(row: Row) throws {
    let reader = RowReader(row: row, table: "queue")
    isPaused = try reader.value("paused")
    counts = try StateCounts(reader)
    due = try reader.value("due")
    dueSince = try reader.optional("due_since")
    openBatches = try reader.value("open_batches")
  }
}

extension QueueClient {
  /// What there is to do, for whoever watches the queue.
  package func gauges() throws -> QueueGauges {
    let now = Date().milliseconds
    return try database.read { db in
      let row = try Row.fetchOne(
        db,
        sql: """
          WITH ready AS (
            SELECT id FROM jobs INDEXED BY jobs_due WHERE state = 'queued' AND run_after IS NULL AND held = 0
            UNION ALL
            SELECT id FROM jobs INDEXED BY jobs_waiting
            WHERE state = 'queued' AND run_after IS NOT NULL AND run_after <= ? AND held = 0),
          first AS (SELECT count(*) AS jobs, min(id) AS id FROM ready WHERE NOT (SELECT paused FROM queue))
          SELECT q.paused, q.queued, q.running, q.done, q.failed, q.cancelled, first.jobs AS due,
            (SELECT created_at FROM jobs WHERE id = first.id) AS due_since,
            (SELECT count(*) FROM batches WHERE queued + running > 0) AS open_batches
          FROM queue q, first
          """, arguments: [now])
      guard let row else {
        throw JobStoreError.damagedRow(table: "queue", column: "id", value: "nothing: its one row is missing")
      }
      return try QueueGauges(row: row)
    }
  }
}
