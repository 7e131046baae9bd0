import GRDB
import Requests

/// What a step took, by the newest finished jobs: to guess what others will take.
package struct RenderPace: Sendable, Equatable {
  /// What the jobs of one model and size took.
  private struct Measure: Equatable {
    var pixels: Double
    /// Of one image.
    var secondsPerStep: Double
  }

  private var measures: [String: [Measure]] = [:]

  /// Nothing is known.
  package init() {}

  fileprivate mutating func add(model: String, pixels: Double, secondsPerStep: Double) {
    measures[model, default: []].append(Measure(pixels: pixels, secondsPerStep: secondsPerStep))
  }

  /// Seconds that a request's images will take one after another; nil if no job of its model is known. A size that is
  /// not known takes as long by the pixel as the nearest that is.
  package func seconds(for request: RenderRequest) -> Double? {
    guard let known = measures[request.model], let first = known.first else { return nil }
    let steps = Double(request.steps) * Double(request.count)
    guard let width = request.width, let height = request.height else { return first.secondsPerStep * steps }
    let pixels = Double(width) * Double(height)
    let nearest = known.min { abs($0.pixels - pixels) < abs($1.pixels - pixels) } ?? first
    return nearest.secondsPerStep * pixels / nearest.pixels * steps
  }
}

extension QueueClient {
  /// What a step took in the newest done jobs, those of the newest first.
  package func pace() throws -> RenderPace {
    try database.read { db in
      let rows = try Row.fetchAll(
        db,
        sql: """
          SELECT j.model, j.width * j.height * 1.0 AS pixels, sum(i.seconds) / sum(j.steps) AS pace, max(j.id) AS newest
          FROM (SELECT id, model, width, height, steps FROM jobs INDEXED BY jobs_over
            WHERE state = 'done' AND finished_at IS NOT NULL ORDER BY finished_at DESC LIMIT 500) j
          JOIN images i ON i.job = j.id
          WHERE j.width > 0 AND j.height > 0 AND j.steps > 0
          GROUP BY j.model, pixels ORDER BY newest DESC
          """)
      var pace = RenderPace()
      for row in rows {
        let reader = RowReader(row: row, table: "jobs")
        pace.add(
          model: try reader.value("model"), pixels: try reader.value("pixels"),
          secondsPerStep: try reader.value("pace"))
      }
      return pace
    }
  }
}
