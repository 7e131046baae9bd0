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
      var kinds: [Kind] = []
      var times: [Kind: [Double: [Double]]] = [:]
      while let row = try rows.next() {
        let reader = RowReader(row: row, table: "jobs")
        let kind = Kind(model: try reader.value("model"), pixels: try reader.value("pixels"))
        if times[kind] == nil { kinds.append(kind) }
        times[kind, default: [:]][try reader.value("steps"), default: []].append(try reader.value("seconds"))
      }
      var pace = RenderPace()
      for kind in kinds {
        let samples = (times[kind] ?? [:]).map { steps, seconds in
          // The first image of a model also reads it, and one that was resumed took less: the middle knows neither.
          RenderPace.Sample(
            steps: steps, seconds: seconds.sorted()[seconds.count / 2], weight: Double(seconds.count))
        }
        pace.add(model: kind.model, pixels: kind.pixels, samples.sorted { $0.steps < $1.steps })
      }
      return pace
    }
  }
}

/// Jobs of one model and size take about as long by the step.
private struct Kind: Hashable {
  let model: String
  let pixels: Double
}
