import GRDB
import JobStore

/// What jobs name of a hub.
extension PostgresClient {
  /// What a job names of a hub, in order.
  package func sources(job: Int64) throws -> [SourceRecord] {
    try connection.rows(Self.sourcesOfJob, [.integer(job)]).map { try SourceRecord(row: $0) }
  }

  private static let columns = "id, batch, source, use, state, standing, error, name, revision, path"

  /// The same of the job $1, as a statement.
  static let sourcesOfJob = """
    SELECT \(columns) FROM source_overview WHERE id IN (SELECT source FROM job_sources WHERE job = $1::bigint) ORDER BY id
    """

  /// What open jobs wait for now, what is being fetched first.
  package func waits(batch: Int64?, limit: Int) throws -> [SourceRecord] {
    let chain = """
      WITH RECURSIVE chain (id) AS (
        SELECT $2::bigint UNION
        SELECT b.after FROM chain JOIN batches b ON b.id = chain.id
        WHERE b.after IS NOT NULL AND EXISTS (SELECT 1 FROM waiting w WHERE w.batch = b.id AND w.holds & 8 <> 0))
      """
    return try connection.rows(
      """
      \(batch == nil ? "" : chain)
      SELECT \(Self.columns) FROM source_overview s
      WHERE s.state IN ('wanted', 'fetching') \(batch == nil ? "" : "AND s.batch IN (SELECT id FROM chain)")
        AND EXISTS (
          SELECT 1 FROM job_sources js JOIN waiting w ON w.id = js.job WHERE js.source = s.id AND w.holds & 4 <> 0)
      ORDER BY s.state <> 'fetching', s.id LIMIT $1::bigint
      """, [.integer(Int64(max(0, limit)))] + (batch.map { [.integer($0)] } ?? [])
    ).map { try SourceRecord(row: $0) }
  }

  /// The fetchers that are alive, by name.
  package func fetchers() throws -> [FetcherRecord] {
    try connection.rows(
      """
      SELECT name, pid, host, version, started_at, heartbeat_at FROM fetchers
      WHERE heartbeat_at > milliseconds_now() - 60000 ORDER BY name
      """
    ).map { try FetcherRecord(row: $0) }
  }
}
