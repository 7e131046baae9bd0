import GRDB
import Requests

extension QueueClient {
  /// What a job names of a hub, in order.
  package func sources(job: Int64) throws -> [SourceRecord] {
    try database.read { db in try db.sources(ofJob: job) }
  }

  /// What open jobs wait for now, what is being fetched first.
  /// - Parameters:
  ///   - batch: only of this batch, and of those that it waits for.
  ///   - limit: at most so many.
  package func waits(batch: Int64? = nil, limit: Int = 16) throws -> [SourceRecord] {
    try database.read { db in
      try SourceRecord.fetchAll(
        db.cachedStatement(
          sql: """
            WITH RECURSIVE chain (id) AS (
              SELECT :batch UNION
              SELECT b.after FROM chain JOIN batches b ON b.id = chain.id
              WHERE b.after IS NOT NULL AND \(BatchRecord.waits("b")))
            SELECT \(SourceRecord.columns) FROM source_overview s
            WHERE state IN ('wanted', 'fetching') AND (:batch IS NULL OR batch IN (SELECT id FROM chain))
              AND EXISTS (
                SELECT 1 FROM job_sources js JOIN jobs j ON j.id = js.job
                WHERE js.source = s.id AND j.state = 'queued')
            ORDER BY state <> 'fetching', id LIMIT :limit
            """), arguments: ["batch": batch, "limit": limit])
    }
  }

  /// The fetchers that are alive, by name.
  package func fetchers() throws -> [FetcherRecord] {
    let now = database.clock().milliseconds
    return try database.read { db in
      try FetcherRecord.fetchAll(db, sql: "SELECT * FROM fetchers ORDER BY name").filter {
        $0.isAlive(now: now)
      }
    }
  }
}

extension Database {
  /// What a job names of a hub, in order.
  func sources(ofJob job: Int64) throws -> [SourceRecord] {
    try SourceRecord.fetchAll(
      self,
      sql: """
        SELECT \(SourceRecord.columns) FROM source_overview
        WHERE id IN (SELECT source FROM job_sources WHERE job = ?) ORDER BY id
        """, arguments: [job])
  }

  /// Wants anew what jobs that are over name of a hub: what could not be had, and what is there but would not load,
  /// since it may be gone. What was found once is fetched again at the same commit. Call it before the jobs are queued.
  func wantAgain(_ scope: JobScope, at now: Milliseconds) throws {
    try execute(
      sql: """
        UPDATE sources SET not_before = NULL, tries = 0 WHERE state = 'wanted' AND not_before IS NOT NULL
          AND id IN (SELECT source FROM job_sources WHERE job IN (SELECT id FROM jobs WHERE \(scope.sql)))
        """, arguments: ["scope": scope.number])
    let jobs = "js.job IN (SELECT id FROM jobs WHERE \(scope.sql) AND state IN ('failed', 'cancelled'))"
    try execute(
      sql: """
        UPDATE sources SET state = 'wanted', path = NULL, tries = 0, not_before = NULL, error = NULL, updated_at = :now
        WHERE state IN ('failed', 'ready') AND id IN (
          SELECT js.source FROM job_sources js JOIN jobs j ON j.id = js.job JOIN sources s ON s.id = js.source
          WHERE \(jobs) AND (s.state = 'failed' OR j.error_kind = 'model'))
        """, arguments: ["scope": scope.number, "now": now])
    guard changesCount > 0 else { return }
    try execute(
      sql: """
        UPDATE jobs SET held = held | \(Hold.source.rawValue) WHERE state <> 'running' AND held & \(Hold.shards.rawValue) = 0 AND id IN (
          SELECT js.job FROM job_sources js JOIN sources s ON s.id = js.source WHERE s.state = 'wanted')
        """)
  }
}
