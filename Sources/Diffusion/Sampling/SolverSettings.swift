import Checkpoints

/// A scheduler file's settings for the solvers (DPM-Solver, DEIS, UniPC, SA-Solver).
package struct SolverSettings: Sendable, Equatable {
  /// `algorithm_type`, by diffusers' names. Each class knows some of them.
  package enum Algorithm: String, Sendable {
    /// Probability flow ODE in terms of predicted noise (Lu et al., 2022).
    case noise = "dpmsolver"
    /// Probability flow ODE in terms of the predicted image (Lu et al., 2022, "DPM-Solver++").
    case image = "dpmsolver++"
    /// Reverse diffusion SDE in terms of predicted noise.
    case stochasticNoise = "sde-dpmsolver"
    /// Reverse diffusion SDE in terms of the predicted image.
    case stochasticImage = "sde-dpmsolver++"
    /// DEIS's only one.
    case deis
    /// SA-Solver in terms of the predicted image.
    case dataPrediction = "data_prediction"
    /// SA-Solver in terms of predicted noise.
    case noisePrediction = "noise_prediction"
  }

  /// Variants of the update. A class treats another class's values as its own default.
  package enum Kind: String, Sendable {
    /// DPM-Solver's.
    case midpoint, heun
    /// UniPC's.
    case bh1, bh2
    /// DEIS's.
    case logrho
  }

  package var order: Int
  /// nil if the file leaves it out; then each class has its own default.
  package var algorithm: Algorithm?
  package var kind: Kind?
  /// Whether the last steps of short renders use lower orders. nil if the file leaves it out.
  package var lowerOrderFinal: Bool?
  package var eulerAtFinal: Bool
  /// Whether UniPC works on predicted images rather than predicted noise.
  package var predictsImage: Bool
  /// Steps after which UniPC skips the correction.
  package var uncorrected: [Int]
  /// The order of SA-Solver's prediction.
  package var predictorOrder: Int
  /// The order of SA-Solver's correction.
  package var correctorOrder: Int

  /// - Throws: `CheckpointError` from the file, `DiffusionError.unsupported` for unknown values.
  init(_ config: ConfigObject) throws {
    order = try config.int("solver_order", default: 2, in: 1...8)
    algorithm = try config.choiceIfPresent("algorithm_type")
    kind = try config.choiceIfPresent("solver_type")
    lowerOrderFinal = try config.boolIfPresent("lower_order_final")
    eulerAtFinal = try config.bool("euler_at_final", default: false)
    predictsImage = try config.bool("predict_x0", default: true)
    uncorrected = try config.intsIfPresent("disable_corrector") ?? []
    predictorOrder = try config.int("predictor_order", default: 2, in: 1...4)
    correctorOrder = try config.int("corrector_order", default: 2, in: 1...4)
  }

  /// The settings as the file's own class leaves them: it puts its default in the place of another solver's value, and a
  /// method that is chosen by name gets that.
  func settled(by className: String) -> SolverSettings {
    var copy = self
    switch className {
    case "DPMSolverMultistepScheduler", "DPMSolverSinglestepScheduler", "EDMDPMSolverMultistepScheduler":
      if let kind, ![.midpoint, .heun].contains(kind) { copy.kind = .midpoint }
      if algorithm == .deis { copy.algorithm = .image }
    case "UniPCMultistepScheduler":
      if let kind, ![.bh1, .bh2].contains(kind) { copy.kind = .bh2 }
    case "DEISMultistepScheduler":
      if kind != nil { copy.kind = .logrho }
      if algorithm == .noise || algorithm == .image { copy.algorithm = .deis }
    default: break
    }
    return copy
  }

  /// The file's algorithm for a class that knows only some.
  /// - Parameters:
  ///   - known: what the class knows.
  ///   - fallback: what it takes if the file leaves it out, or names another solver's that it accepts.
  ///   - accepted: other solvers' that it takes for its own default.
  /// - Throws: `DiffusionError.unsupported`.
  func algorithm(
    _ known: Set<Algorithm>, default fallback: Algorithm, accepting accepted: Set<Algorithm> = [.deis]
  ) throws -> Algorithm {
    guard let algorithm, !accepted.contains(algorithm) else { return fallback }
    guard known.contains(algorithm) else {
      throw DiffusionError.unsupported(
        file: "scheduler", key: "algorithm_type", value: "\(algorithm.rawValue) with this method")
    }
    return algorithm
  }

  /// The order of a multistep step: limited by how many outputs there are, and lower at the end of short renders,
  /// where higher orders overshoot.
  /// - Parameters:
  ///   - index: the index of the step.
  ///   - count: steps in all.
  ///   - outputs: how many there are, at most `order`.
  ///   - endsFirst: whether the last step must be of first order.
  func multistepOrder(_ index: Int, of count: Int, outputs: Int, endsFirst: Bool) -> Int {
    let remaining = count - index
    let short = lowerOrderFinal ?? true && count < 15
    if remaining == 1, short || endsFirst { return 1 }
    return min(outputs, remaining == 2 && short ? 2 : 3)
  }
}
