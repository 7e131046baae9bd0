import GRDB

/// What the images of done jobs took, job by job.
package struct RenderHistory {
  /// Jobs of one model and size take about as long by the step.
  private struct Kind: Hashable {
    let model: String
    let pixels: Double
  }

  private var kinds: [Kind] = []
  private var times: [Kind: [Double: [Double]]] = [:]

  /// Nothing is known.
  package init() {}

  /// Adds a job, the newest first.
  /// - Parameter row: with the columns model, pixels, steps and seconds, of each image.
  /// - Throws: `JobStoreError.damagedRow`
  package mutating func add(_ row: Row) throws {
    let reader = RowReader(row: row, table: "jobs")
    let kind = Kind(model: try reader.value("model"), pixels: try reader.value("pixels"))
    if times[kind] == nil { kinds.append(kind) }
    times[kind, default: [:]][try reader.value("steps"), default: []].append(try reader.value("seconds"))
  }

  /// What others will take.
  package var pace: RenderPace {
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
