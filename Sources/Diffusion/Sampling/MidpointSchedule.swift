import Foundation

/// The noise levels of methods that go to the middle of each step first: the middle in the logarithm between a step's
/// level and where the step leads. The last step, to zero noise, has no middle.
struct MidpointSchedule: Sendable {
  /// The timestep of each call: a step's start and its middle in turn.
  let timesteps: [Float]
  /// The level of each step, then 0.
  let levels: [Float]
  /// The middle of each step; 0 for the last.
  let middles: [Float]

  /// - Parameters:
  ///   - schedule: the steps. They end at 0.
  ///   - trained: sigmas of the training timesteps, ascending.
  ///   - ends: the level where each step leads before noise is added to it.
  /// - Throws: `DiffusionError.setting` if a step has no length.
  init(_ schedule: SigmaSchedule, trained: [Float], ends: (_ from: Float, _ to: Float) -> Float) throws {
    let count = schedule.timesteps.count
    try schedule.requireFalling(count)
    levels = schedule.sigmas
    middles = (0..<count).map { [levels] step in
      guard step + 1 < count else { return 0 }
      let (start, end) = (log(levels[step]), log(ends(levels[step], levels[step + 1])))
      return exp(start + (end - start) * 0.5)
    }
    guard middles.dropLast().allSatisfy({ $0 > 0 }) else {
      throw DiffusionError.setting(
        name: "steps", value: "\(count)", allowed: "more with this scheduler")
    }
    timesteps = (0..<count).flatMap { [middles] step in
      let start = schedule.timesteps[step]
      guard step + 1 < count else { return [start] }
      return [start, Float(SigmaSchedule.timestep(of: Double(middles[step]), in: trained))]
    }
  }

  /// The level of the sample at a call.
  func level(at call: Int) -> Float {
    call % 2 == 0 ? levels[call / 2] : middles[call / 2]
  }

  /// The level to which the reference adds noise to a picture before a call. Before a middle it is the step's end.
  func noisedLevel(at call: Int) -> Float { levels[(call + 1) / 2] }
}

/// How a step from one noise level to the next is divided: first down below it, then up again by fresh noise.
struct AncestralStep {
  /// The level below.
  let down: Float
  /// The deviation of the fresh noise.
  let up: Float

  /// - Parameters:
  ///   - from: the step's noise level, above 0.
  ///   - to: the next one, lower.
  init(from: Float, to: Float) {
    up = (to * to * (from * from - to * to) / (from * from)).squareRoot()
    // If `from` is far larger, the difference may be rounded below 0.
    down = max(0, to * to - up * up).squareRoot()
  }
}
