import GRDB
import JobStore

/// How long jobs take.
extension PostgresClient {
  /// What images took in the newest done jobs, those of the newest first.
  package func pace() throws -> RenderPace {
    // As in SQLite: no job is quicker than one of its images.
    let rows = try connection.rows(
      """
      SELECT * FROM (
        SELECT j.id, j.model, j.width::float8 * j.height AS pixels, j.steps::float8 AS steps,
          greatest(max(i.seconds),
            least(sum(i.seconds), coalesce((j.finished_at - j.started_at) / 1000::float8, 1e9))) / count(*) AS seconds
        FROM (SELECT id, model, width, height, steps, started_at, finished_at FROM jobs
          WHERE outcome = 'done' ORDER BY finished_at DESC LIMIT 2000) j
        JOIN images i ON i.job = j.id
        WHERE j.width > 0 AND j.height > 0 AND j.steps > 0
        GROUP BY j.id, j.model, j.width, j.height, j.steps, j.started_at, j.finished_at) p
      WHERE seconds BETWEEN 1e-6 AND 1e9 ORDER BY id DESC
      """)
    var history = RenderHistory()
    for row in rows { try history.add(row) }
    return history.pace
  }

  /// What is queued before the last of some jobs is over.
  package func backlog(_ filter: JobFilter) throws -> [Backlog] {
    var own: String?
    var values: [ServerValue] = []
    if let batch = filter.batch {
      (own, values) = ("q.batch = $1::bigint", [.integer(batch)])
    } else if !filter.jobs.isEmpty {
      (own, values) = ("q.id = ANY ($1::bigint[])", [.integers(filter.jobs)])
    }
    // Those that go before the last of their own, as claims take them.
    let condition =
      own.map { own in
        """
        , last AS (SELECT priority, id FROM queued q WHERE \(own) ORDER BY priority, id DESC LIMIT 1),
        ahead AS (
          SELECT q.id FROM queued q, last l
          WHERE \(own) OR NOT q.is_held AND (q.priority > l.priority OR q.priority = l.priority AND q.id < l.id))
        """
      } ?? ", ahead AS (SELECT id FROM queued)"
    return try connection.rows(
      """
      WITH queued AS (
        SELECT id, batch, priority, FALSE AS is_held FROM due
        UNION ALL SELECT id, batch, priority, holds <> 0 FROM waiting)
      \(condition)
      SELECT j.model, j.width::float8 * j.height AS pixels, j.steps::float8 AS steps,
        sum(j.count)::float8 AS images
      FROM ahead a JOIN jobs j ON j.id = a.id
      GROUP BY 1, 2, 3 LIMIT \(Backlog.mostKinds)
      """, values
    ).map { try Backlog(row: $0) }
  }
}
