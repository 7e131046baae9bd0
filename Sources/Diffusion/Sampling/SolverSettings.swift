import Checkpoints

/// How a scheduler file wants the multistep solvers (DPM-Solver, UniPC) to work.
package struct SolverSettings: Sendable, Equatable {
  /// Which equation DPM-Solver solves.
  package enum Algorithm: String, Sendable {
    /// The probability flow, in the predicted noise (Lu et al., 2022).
    case noise = "dpmsolver"
    /// The probability flow, in the predicted image (Lu et al., 2022, "DPM-Solver++").
    case image = "dpmsolver++"
    /// The reverse diffusion, in the predicted noise.
    case stochasticNoise = "sde-dpmsolver"
    /// The reverse diffusion, in the predicted image.
    case stochasticImage = "sde-dpmsolver++"
    /// Another solver's word, which the reference's class takes for `dpmsolver++`.
    case deis

    /// Whether fresh noise is added at each step.
    var isStochastic: Bool { self == .stochasticNoise || self == .stochasticImage }
    /// Whether the solver works on predicted noise.
    var predictsNoise: Bool { self == .noise || self == .stochasticNoise }
  }

  /// Variants of the updates. A class takes the words of the others for its own default.
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
  /// Steps after which UniPC does not correct.
  package var uncorrected: [Int]

  /// - Throws: `CheckpointError` from the file, `DiffusionError.unsupported` for unknown words.
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
