import GRDB

extension QueueClient {
  /// What images took in the newest done jobs, those of the newest first.
  package func pace() throws -> RenderPace {
    try database.read { db in
      // A job's images may go through the model together. Then each takes longer than the job does for each; but no job
      // is quicker than one of them, as it seems of one whose finished images an earlier attempt left.
      let rows = try Row.fetchCursor(
        db.cachedStatement(
          sql: """
            SELECT j.model, j.width * j.height * 1.0 AS pixels, j.steps * 1.0 AS steps,
              max(max(i.seconds), min(total(i.seconds), ifnull((j.finished_at - j.started_at) / 1000.0, 1e9)))
                / count(*) AS seconds
            FROM (SELECT id, model, width, height, steps, started_at, finished_at FROM jobs INDEXED BY jobs_over
              WHERE state = 'done' AND finished_at IS NOT NULL ORDER BY finished_at DESC LIMIT 2000) j
            JOIN images i ON i.job = j.id
            WHERE j.width > 0 AND j.height > 0 AND j.steps > 0
            GROUP BY j.id HAVING seconds BETWEEN 1e-6 AND 1e9 ORDER BY j.id DESC
            """))
      var history = RenderHistory()
      while let row = try rows.next() { try history.add(row) }
      return history.pace
    }
  }
}
