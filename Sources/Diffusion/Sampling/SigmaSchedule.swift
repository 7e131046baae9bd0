import Foundation

/// The noise levels of one render. Sigma is the deviation of the noise if the image's is 1.
struct SigmaSchedule: Sendable {
  /// The timestep at each step.
  let timesteps: [Float]
  /// The noise level at each step, then the one after the last.
  let sigmas: [Float]

  /// Levels for the methods of Karras et al. (Euler, Heun, LMS). Timesteps may lie between the trained ones. A shape
  /// runs between the first and the last level that the spacing chooses.
  /// - Parameters:
  ///   - trained: sigmas of the training timesteps, ascending.
  ///   - final: how the levels end. Only Euler's class reads it from the file.
  ///   - interpolation: how levels between trained timesteps are computed. Only Euler's class reads it from the file.
  ///   - limited: whether `sigma_min` and `sigma_max` limit Karras's shape. They do not in LMS and DPM-Solver's SDE.
  ///   - rounded: whether timesteps of Karras's shape are rounded.
  init(
    continuous configuration: SchedulerConfiguration, steps: Int, trained: [Float],
    shape: SigmaSettings.Shape, final: SigmaSettings.Final = .zero,
    interpolation: SigmaSettings.Interpolation = .linear, limited: Bool = true, rounded: Bool = false
  ) throws {
    try Self.check(trained)
    if let listed = configuration.listedSigmas {
      timesteps = listed.dropLast().map { Float(Self.timestep(of: Double(Float($0)), in: trained)) }
      sigmas = listed.map { Float($0) }
      return
    }
    var times = try configuration.continuousTimesteps(steps, configuration.spacing ?? .linspace)
    var levels =
      interpolation == .linear
      ? times.map { interpolate(trained, at: Double($0)) } : Self.logLinear(trained, steps: steps)
    if shape != .trained {
      let settings = configuration.sigmas
      let limits = limited || shape != .karras
      levels = Self.levels(
        shape, from: limits ? settings.largest : nil, or: levels.first ?? 1,
        to: limits ? settings.smallest : nil, or: levels.last ?? 1, steps: steps)
      times = levels.map { Float(Self.timestep(of: $0, in: trained)) }
      if rounded, shape == .karras { times = times.map { $0.rounded(.toNearestOrEven) } }
    }
    timesteps = times
    sigmas = levels.map { Float($0) } + [final == .zero ? 0 : trained[0]]
  }

  /// Levels for the multistep solvers. Timesteps are integers. A shape runs between the ends of the training
  /// schedule.
  /// - Parameters:
  ///   - spacing: the only one that the class knows; nil: the file's.
  ///   - final: how the levels end, if the class does not read it from the file.
  ///   - last: how many training steps to spread over.
  ///   - rounded: whether timesteps of Karras's and Lu's shapes are rounded. Otherwise they are truncated, as those
  ///     of the other shapes always are.
  ///   - shapedEnd: if the levels end at the smallest sigma, whether that is the shape's or the training schedule's.
  init(
    solver configuration: SchedulerConfiguration, steps: Int, trained: [Float],
    shape: SigmaSettings.Shape, spacing: SchedulerConfiguration.Spacing? = nil,
    final: SigmaSettings.Final? = nil, last: Int, rounded: Bool, shapedEnd: Bool
  ) throws {
    try Self.check(trained)
    let settings = configuration.sigmas
    let final = final ?? settings.final
    var smallest = trained[0]
    if shape == .trained {
      let times = try configuration.timesteps(
        steps, spacing ?? configuration.spacing ?? .linspace, last: last, beyond: true)
      timesteps = times.map { Float($0) }
      sigmas =
        times.map { Float(interpolate(trained, at: Double($0))) } + [final == .zero ? 0 : smallest]
    } else {
      let limits = shape != .lu
      let levels = Self.levels(
        shape, from: limits ? settings.largest : nil, or: Double(trained[trained.count - 1]),
        to: limits ? settings.smallest : nil, or: Double(trained[0]), steps: steps)
      let rule: FloatingPointRoundingRule =
        rounded && (shape == .karras || shape == .lu) ? .toNearestOrEven : .towardZero
      timesteps = levels.map { Float(Self.timestep(of: $0, in: trained).rounded(rule)) }
      if shapedEnd, let end = levels.last { smallest = Float(end) }
      sigmas = levels.map { Float($0) } + [final == .zero ? 0 : smallest]
    }
    // The solvers divide by the differences of levels. Only the last may be 0, because that step changes nothing.
    try requireFalling(steps)
  }

  /// Fails unless each step has less noise than the one before.
  /// - Throws: `DiffusionError.setting`.
  func requireFalling(_ steps: Int) throws {
    let visited = sigmas.dropLast()
    guard !visited.isEmpty, zip(visited, visited.dropFirst()).allSatisfy({ $0 > $1 }) else {
      throw DiffusionError.setting(
        name: "steps", value: "\(steps)",
        allowed: "fewer, so that every step of this scheduler has less noise than the one before")
    }
  }

  /// The deviation of the noise that a render starts from, for methods that scale the UNet's input.
  func initialSigma(_ spacing: SchedulerConfiguration.Spacing) -> Float {
    let largest = sigmas.max() ?? 1
    return spacing == .leading ? (largest * largest + 1).squareRoot() : largest
  }

  /// - Throws: `DiffusionError.unsupported` for a training schedule in which no timestep has any signal.
  private static func check(_ trained: [Float]) throws {
    guard trained.count >= 2, trained.allSatisfy({ $0.isFinite && $0 > 0 }) else {
      throw DiffusionError.unsupported(
        file: "scheduler", key: "betas", value: "(noise levels without end with this scheduler)")
    }
  }

  /// Levels along a shape, in double as in numpy.
  private static func levels(
    _ shape: SigmaSettings.Shape, from largest: Double?, or first: Double, to smallest: Double?,
    or last: Double, steps: Int
  ) -> [Double] {
    let (start, end) = (largest ?? first, smallest ?? last)
    let ramp = (0..<steps).map { steps == 1 ? 0 : Double($0) / Double(steps - 1) }
    switch shape {
    case .trained, .karras:
      let (a, b) = (pow(start, 1 / 7), pow(end, 1 / 7))
      return ramp.map { pow(a + $0 * (b - a), 7) }
    case .exponential, .lu:
      let (a, b) = (log(start), log(end))
      return ramp.map { exp(a + $0 * (b - a)) }
    case .beta:
      let quantile = BetaQuantile()
      return ramp.map { end + quantile(1 - $0) * (start - end) }
    }
  }

  /// Evenly spaced logarithms from the largest trained sigma to the smallest. As in the reference, there is one more
  /// than there are steps.
  private static func logLinear(_ trained: [Float], steps: Int) -> [Double] {
    let (smallest, largest) = (trained[0], trained[trained.count - 1])
    return BetaSchedule.linspace(log(largest), log(smallest), steps + 1).map { Double(exp($0)) }
  }

  /// The timestep of a sigma, with a fraction, by interpolating the logarithms of the trained sigmas.
  static func timestep(of sigma: Double, in trained: [Float]) -> Double {
    let logarithms = trained.map { Double(log($0)) }
    let wanted = log(max(sigma, 1e-10))
    let below = logarithms.lastIndex { $0 <= wanted } ?? 0
    let low = min(below, logarithms.count - 2)
    let distance = logarithms[low] - logarithms[low + 1]
    let weight = distance == 0 ? 0 : max(0, min(1, (logarithms[low] - wanted) / distance))
    return (1 - weight) * Double(low) + weight * Double(low + 1)
  }
}

/// A table's value between its entries (numpy's `interp` over indices). Beyond the ends it is constant.
func interpolate(_ table: [Float], at position: Double) -> Double {
  let lower = max(0, min(table.count - 1, Int(position)))
  let upper = min(table.count - 1, lower + 1)
  let fraction = position - Double(lower)
  let (a, b) = (Double(table[lower]), Double(table[upper]))
  return a + (b - a) * fraction
}
