import Checkpoints

/// A scheduler file's settings for the multistep solvers (DPM-Solver, UniPC).
package struct SolverSettings: Sendable, Equatable {
  /// Which equation DPM-Solver solves.
  package enum Algorithm: String, Sendable {
    /// Probability flow ODE in terms of predicted noise (Lu et al., 2022).
    case noise = "dpmsolver"
    /// Probability flow ODE in terms of the predicted image (Lu et al., 2022, "DPM-Solver++").
    case image = "dpmsolver++"
    /// Reverse diffusion SDE in terms of predicted noise.
    case stochasticNoise = "sde-dpmsolver"
    /// Reverse diffusion SDE in terms of the predicted image.
    case stochasticImage = "sde-dpmsolver++"
    /// Another solver's value, which diffusers' class treats as `dpmsolver++`.
    case deis

    /// Whether fresh noise is added at each step.
    var isStochastic: Bool { self == .stochasticNoise || self == .stochasticImage }
    /// Whether the solver works on predicted noise.
    var predictsNoise: Bool { self == .noise || self == .stochasticNoise }
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
  package var algorithm: Algorithm
  package var kind: Kind?
  /// Whether the last steps of short renders use lower orders.
  package var lowerOrderFinal: Bool
  package var eulerAtFinal: Bool
  /// Whether UniPC works on predicted images rather than predicted noise.
  package var predictsImage: Bool
  /// Steps after which UniPC skips the correction.
  package var uncorrected: [Int]

  /// - Throws: `CheckpointError` from the file, `DiffusionError.unsupported` for unknown values.
  init(_ config: ConfigObject) throws {
    order = try config.int("solver_order", default: 2, in: 1...8)
    algorithm = try config.choice("algorithm_type", default: .image)
    kind = try config.choiceIfPresent("solver_type")
    lowerOrderFinal = try config.bool("lower_order_final", default: true)
    eulerAtFinal = try config.bool("euler_at_final", default: false)
    predictsImage = try config.bool("predict_x0", default: true)
    uncorrected = try config.intsIfPresent("disable_corrector") ?? []
  }
}
