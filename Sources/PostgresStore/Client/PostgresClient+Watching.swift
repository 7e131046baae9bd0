import Foundation
import GRDB
import JobStore

/// What somebody asks again and again who watches.
extension PostgresClient {
  /// Others wait for the server, too.
  package var lookPause: TimeInterval { 0.25 }

  /// A number that changes with every transaction that begins to write, or ends. No table is read for it.
  package func changeMark() throws -> Int64 {
    let row = try database.row("SELECT hashtextextended(pg_current_snapshot()::text, 0) AS mark")
    return try RowReader(row: row, table: "pg_current_snapshot").value("mark")
  }

  /// Checks that the queue is still there, with a schema that this program knows.
  package func verify() throws { try database.verify() }

  /// Behind the newest event: what is written by now, and nothing that is under way.
  package func newestEvent() throws -> EventMark { EventMark(number: 0, seen: try snapshot()) }

  /// The events behind a mark, and the mark behind them.
  ///
  /// Their numbers are given before a transaction ends, so that a smaller one may come after a larger one. So the mark
  /// says which transactions had ended; what the others wrote is new once they have.
  package func events(after mark: EventMark) throws -> (events: [Event], mark: EventMark) {
    let rest = try mark.rest ?? snapshot()
    if rest == mark.seen { return ([], mark) }
    let isNew =
      mark.seen == nil
      ? "TRUE"
      : "xid >= pg_snapshot_xmin($3::pg_snapshot) AND NOT pg_visible_in_snapshot(xid, $3::pg_snapshot)"
    let rows = try connection.rows(
      """
      WITH news AS MATERIALIZED (
        SELECT id, at, batch, job, worker, what, detail FROM events
        WHERE \(isNew) AND pg_visible_in_snapshot(xid, $2::pg_snapshot) AND id > $1::bigint)
      SELECT * FROM news ORDER BY id LIMIT \(EventMark.most)
      """, [.integer(mark.number), .text(rest)] + (mark.seen.map { [.text($0)] } ?? []))
    let events = try rows.map { try Event(row: $0) }
    guard rows.count == EventMark.most, let last = rows.last else {
      return (events, EventMark(number: 0, seen: rest))
    }
    let number: Int64 = try RowReader(row: last, table: "events").value("id")
    return (events, EventMark(number: number, seen: mark.seen, rest: rest))
  }

  /// Which transactions have ended.
  private func snapshot() throws -> String {
    let row = try database.row("SELECT pg_current_snapshot()::text AS snapshot")
    return try RowReader(row: row, table: "pg_current_snapshot").value("snapshot")
  }

  /// Batches that wait for others, or for a daemon of a class of numerics, in order of their numbers.
  package func waitingBatches(among batches: Set<Int64>?, limit: Int) throws -> [BatchRecord] {
    if batches?.isEmpty == true { return [] }
    let these = batches == nil ? "" : "AND b.id = ANY ($2::bigint[])"
    return try self.batches(
      """
      WHERE c.queued > 0 AND b.id IN (
        SELECT l.id FROM batches l WHERE l.after IS NOT NULL
          AND EXISTS (SELECT 1 FROM waiting w WHERE w.batch = l.id AND w.holds <> 0 AND w.holds & 8 <> 0)
        UNION SELECT p.id FROM batches p WHERE p.numerics IS NOT NULL
          AND NOT EXISTS (SELECT 1 FROM workers k WHERE k.numerics = p.numerics AND k.state <> 'stopped')) \(these)
      ORDER BY b.id LIMIT $1::bigint
      """, [.integer(Int64(max(0, limit)))] + (batches.map { [.integers($0.sorted())] } ?? [])
    ).filter { $0.waitsFor != nil }
  }

  /// The number of failed jobs of a batch by the kind of failure.
  package func failures(batch: Int64) throws -> [FailureKind: Int] {
    let batch = try self.batch(batch)
    return try FailureKind.counts(
      connection.rows(
        """
        SELECT error_kind, count(*) AS jobs FROM jobs
        WHERE id BETWEEN $1::bigint AND $2::bigint AND outcome = 'failed' AND error_kind IS NOT NULL
        GROUP BY error_kind
        """, [.integer(batch.firstJob), .integer(batch.lastJob)]))
  }

  /// The previews of the images at work, in order of jobs and images.
  package func previews(jobs: [Int64]) throws -> [Preview] {
    if jobs.isEmpty { return [] }
    return try fleeting(
      """
      SELECT job, number, step, made_at, length(png) AS bytes,
        CASE WHEN length(png) <= \(Preview.longest) THEN png END AS png
      FROM previews WHERE job = ANY ($1::bigint[]) ORDER BY job, number LIMIT \(Preview.most)
      """, [.integers(jobs)]
    ).map { try Preview(row: $0) }
  }
}
