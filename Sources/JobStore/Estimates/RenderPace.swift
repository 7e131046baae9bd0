import Requests

/// What images took in the newest finished jobs, by model, size and steps: to guess what others will take.
package struct RenderPace: Sendable, Equatable {
  /// What one image took, in the middle of several like it.
  struct Sample: Equatable {
    var steps: Double
    var seconds: Double
    /// How many are like it.
    var weight: Double
  }

  /// What an image of one model and size takes.
  struct Measure: Equatable {
    var pixels: Double
    /// Seconds besides the steps: for the prompt, for decoding.
    var beside: Double
    var secondsPerStep: Double

    func seconds(steps: Double) -> Double { beside + secondsPerStep * steps }
  }

  private var measures: [String: [Measure]] = [:]

  /// Nothing is known.
  package init() {}

  /// Whether anything is known of a model.
  func knows(_ model: String) -> Bool { measures[model] != nil }

  /// Adds what images of one model and size took; at least one sample.
  mutating func add(model: String, pixels: Double, _ samples: [Sample]) {
    measures[model, default: []].append(Measure(pixels: pixels, samples))
  }

  /// Seconds that a request's images will take one after another; nil if no job of its model is known.
  package func seconds(for request: RenderRequest) -> Double? {
    var pixels: Double?
    if let width = request.width, let height = request.height { pixels = Double(width) * Double(height) }
    return seconds(
      model: request.model, pixels: pixels, steps: Double(request.steps), images: Double(request.count))
  }

  /// Seconds that images will take one after another; nil if no job of their model is known. A size that is not known
  /// takes as long by the pixel as the nearest that is.
  /// - Parameters:
  ///   - model: its name in jobs.
  ///   - pixels: of an image; nil: as in the newest job.
  ///   - steps: of an image.
  ///   - images: how many.
  func seconds(model: String, pixels: Double?, steps: Double, images: Double) -> Double? {
    guard let known = measures[model], let newest = known.first else { return nil }
    guard let pixels else { return newest.seconds(steps: steps) * images }
    let nearest = known.min { abs($0.pixels - pixels) < abs($1.pixels - pixels) } ?? newest
    return nearest.seconds(steps: steps) * pixels / nearest.pixels * images
  }

  /// Seconds that images of an unknown model will take: as long by the pixel as those of the known models in the mean;
  /// nil if none is known.
  func secondsOfAny(pixels: Double?, steps: Double, images: Double) -> Double? {
    let all = measures.values.flatMap { $0 }
    guard !all.isEmpty else { return nil }
    let sum = all.reduce(0) { $0 + $1.seconds(steps: steps) / $1.pixels * (pixels ?? $1.pixels) }
    return sum / Double(all.count) * images
  }
}

extension RenderPace.Measure {
  /// The line through samples of different steps (least squares), or without one the mean by the step.
  fileprivate init(pixels: Double, _ samples: [RenderPace.Sample]) {
    self.pixels = pixels
    let weight = samples.reduce(0) { $0 + $1.weight }
    let steps = samples.reduce(0) { $0 + $1.weight * $1.steps } / weight
    let seconds = samples.reduce(0) { $0 + $1.weight * $1.seconds } / weight
    var (spread, both) = (0.0, 0.0)
    for sample in samples {
      spread += sample.weight * (sample.steps - steps) * (sample.steps - steps)
      both += sample.weight * (sample.steps - steps) * (sample.seconds - seconds)
    }
    let slope = both / spread
    // Times of a busy machine may say that more steps take less time.
    if slope > 0, slope.isFinite, seconds >= slope * steps {
      (secondsPerStep, beside) = (slope, seconds - slope * steps)
    } else {
      (secondsPerStep, beside) = (seconds / steps, 0)
    }
  }
}
