import Checkpoints
import Foundation

/// A scheduler file's settings for the noise levels (sigmas).
package struct SigmaSettings: Sendable, Equatable {
  /// The curves that sigmas may follow instead of the training schedule.
  package enum Shape: String, Sendable {
    /// The training schedule's own levels at the chosen timesteps.
    case trained
    /// Karras et al. (2022), equation 5.
    case karras = "use_karras_sigmas"
    /// Evenly spaced logarithms between two limits.
    case exponential = "use_exponential_sigmas"
    /// Quantiles of a beta distribution (Lee et al., 2024).
    case beta = "use_beta_sigmas"
    /// Evenly spaced log-SNR over the whole training schedule (Lu et al., 2022, DPM-Solver).
    case lu = "use_lu_lambdas"
  }

  /// Where sigmas end.
  package enum Final: String, Sendable {
    case zero
    case smallest = "sigma_min"
  }

  /// How sigmas lie between trained timesteps.
  package enum Interpolation: String, Sendable {
    case linear
    case logLinear = "log_linear"
  }

  /// How a noise level becomes the UNet's timestep.
  package enum TimestepKind: String, Sendable {
    /// The training timestep.
    case discrete
    /// A quarter of the sigma's logarithm, if the model predicts velocity.
    case continuous
  }

  /// EDM's own shapes, by diffusers' names.
  package enum EDMShape: String, Sendable {
    case karras, exponential
  }

  /// The shapes that the file asks for; `shape` refuses more than one.
  package var shapes: Set<Shape>
  package var final: Final
  package var interpolation: Interpolation
  package var timestepKind: TimestepKind
  /// The lower limit of a shape instead of the schedule's own.
  package var smallest: Double?
  package var largest: Double?
  /// Timesteps with a lower log-SNR are not visited (`lambda_min_clipped`).
  package var smallestLambda: Double

  /// EDM's deviation of the image (`sigma_data`).
  package var data: Double
  /// The curve of EDM's levels (`sigma_schedule`).
  package var edmShape: EDMShape
  /// The exponent of EDM's Karras shape.
  package var rho: Double

  /// - Throws: `CheckpointError` from the file, `DiffusionError.unsupported` for unknown values and
  ///   impossible limits.
  init(_ config: ConfigObject) throws {
    func limit(_ key: String) throws -> Double? {
      guard let value = try config.doubleIfPresent(key) else { return nil }
      guard value > 0, value.isFinite else {
        throw DiffusionError.unsupported(file: config.path, key: key, value: "\(value)")
      }
      return value
    }
    shapes = []
    for shape in [Shape.karras, .exponential, .beta, .lu] {
      if try config.bool(shape.rawValue, default: false) { shapes.insert(shape) }
    }
    final = try config.choice("final_sigmas_type", default: .zero)
    interpolation = try config.choice("interpolation_type", default: .linear)
    timestepKind = try config.choice("timestep_type", default: .discrete)
    smallest = try limit("sigma_min")
    largest = try limit("sigma_max")
    smallestLambda = try config.double("lambda_min_clipped", default: -.infinity)
    guard !smallestLambda.isNaN else {
      throw DiffusionError.unsupported(file: config.path, key: "lambda_min_clipped", value: "NaN")
    }
    data = try limit("sigma_data") ?? 0.5
    edmShape = try config.choice("sigma_schedule", default: .karras)
    rho = try limit("rho") ?? 7
  }

  /// The one shape to use.
  /// - Parameter knowsLu: whether the class supports `use_lu_lambdas`; others ignore it.
  /// - Throws: `DiffusionError.unsupported` for several at once, which the reference refuses too.
  func shape(knowsLu: Bool = false) throws -> Shape {
    let exclusive = [Shape.karras, .exponential, .beta].filter { shapes.contains($0) }
    guard exclusive.count < 2 else {
      throw DiffusionError.unsupported(
        file: "scheduler", key: exclusive[0].rawValue, value: "together with \(exclusive[1].rawValue)")
    }
    // The reference's order: Karras first, then Lu, then the others.
    if shapes.contains(.karras) { return .karras }
    if knowsLu, shapes.contains(.lu) { return .lu }
    return exclusive.first ?? .trained
  }

  /// How many training steps, counted from the least noisy, are noisy enough for `lambda_min_clipped`.
  /// - Parameter trained: sigmas of the training timesteps. Their log-SNR is the negative logarithm.
  func visitedSteps(of trained: [Float]) -> Int {
    trained.count { -Double(log($0)) >= smallestLambda }
  }
}
