import GRDB
import JobStore

/// What was done, and the server itself.
extension PostgresClient {
  /// All that a batch's jobs were asked for, in order of their numbers.
  package func jobs(batch id: Int64) throws -> [JobRecord] {
    try connection.rows(
      "SELECT * FROM job_rows WHERE id BETWEEN $1::bigint AND $2::bigint ORDER BY id", range(of: .batch(id))
    ).map { try JobRecord(row: $0) }
  }

  /// Statistics of done jobs by model and precision.
  package func statistics(batch: Int64?) throws -> [ModelStatistics] {
    let range = try batch.map { try self.range(of: .batch($0)) } ?? []
    let these = range.isEmpty ? "" : "AND id BETWEEN $1::bigint AND $2::bigint"
    func sum(_ column: String) -> String {
      "coalesce(least(sum(\(column)), \(Int64.max)), 0)::bigint"
    }
    return try connection.rows(
      """
      WITH finished AS (
        SELECT id, model, precision, count, steps::bigint * count AS steps, cache_hits, cache_misses, cache_evictions,
          cache_bypasses, bytes_read, stall_ms, peak_bytes
        FROM jobs WHERE outcome = 'done' \(these)),
      took AS (
        SELECT i.job, sum(i.seconds) AS seconds FROM images i WHERE i.job IN (SELECT id FROM finished) GROUP BY i.job)
      SELECT f.model, f.precision, count(*) AS jobs, \(sum("f.count")) AS images, \(sum("f.steps")) AS steps,
        coalesce(sum(t.seconds), 0) AS seconds, \(sum("f.cache_hits")) AS hits, \(sum("f.cache_misses")) AS misses,
        \(sum("f.cache_evictions")) AS evictions, \(sum("f.cache_bypasses")) AS bypasses,
        \(sum("f.bytes_read")) AS bytes, \(sum("f.stall_ms")) AS stall, coalesce(max(f.peak_bytes), 0) AS peak
      FROM finished f LEFT JOIN took t ON t.job = f.id
      GROUP BY f.model, f.precision ORDER BY f.model COLLATE "C", f.precision COLLATE "C"
      """, range
    ).map { try ModelStatistics(row: $0) }
  }

  /// What the server says of itself and of the connection.
  package func facts() throws -> QueueFacts {
    let (row, isEncrypted) = try connection.transaction { link in
      let rows = try link.answer(
        to: """
          SELECT (SELECT max(number) FROM schema_version) AS schema, current_setting('server_version') AS version,
            pg_database_size(current_database()) AS bytes,
            has_table_privilege('jobs', 'INSERT') AND has_table_privilege('jobs', 'UPDATE')
              AND has_table_privilege('due', 'DELETE') AND has_table_privilege('tally', 'INSERT')
              AND has_sequence_privilege('job_numbers', 'USAGE')
              AND current_setting('transaction_read_only') = 'off' AS may_change,
            (SELECT extract(epoch FROM max(clock_timestamp() - state_change))::float8 FROM pg_stat_activity
              WHERE datname = current_database() AND state LIKE 'idle in transaction%' AND pid <> pg_backend_pid())
              AS idle
          """
      ).rows
      guard let row = rows.first else { throw ServerError.unexpected(reason: "no answer") }
      return (row, link.isEncrypted)
    }
    let reader = RowReader(row: row, table: "pg_settings")
    return QueueFacts(
      schema: try reader.value("schema"), bytes: try reader.value("bytes"),
      place: .server(
        QueueFacts.Server(
          version: try reader.value("version"), isEncrypted: isEncrypted,
          mayChange: try reader.value("may_change"), idleTransaction: try reader.optional("idle"))))
  }
}
