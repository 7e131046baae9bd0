import Checkpoints
import Foundation
import Requests

/// A model's noise schedule and sampling settings: `scheduler/scheduler_config.json`, of any scheduler class.
package struct SchedulerConfiguration: Sendable, Equatable {
  /// What the UNet was trained to predict.
  package enum Prediction: String, Sendable {
    /// The noise.
    case epsilon
    /// The velocity √ᾱ·noise − √(1−ᾱ)·image (Salimans and Ho, 2022).
    case velocity = "v_prediction"
    /// The clean image.
    case sample
  }

  /// How steps are picked from the training timesteps (Lin et al., 2023, table 2).
  package enum Spacing: String, Sendable {
    case leading, linspace, trailing
  }

  /// How much noise ancestral sampling adds.
  package enum Variance: String, Sendable {
    case small = "fixed_small"
    case smallLog = "fixed_small_log"
    case large = "fixed_large"
  }

  package var className: String
  package var trainingSteps: Int
  package var betas: BetaSchedule
  package var prediction: Prediction
  package var spacing: Spacing?
  /// nil if the file leaves it out; then each method has its own default.
  package var stepsOffset: Int?
  package var clipSample: Bool?
  package var clipSampleRange: Float
  package var setAlphaToOne: Bool?
  package var rescaleZeroSNR: Bool
  /// nil without dynamic thresholding.
  package var thresholding: DynamicThreshold?
  package var sigmas: SigmaSettings
  package var solver: SolverSettings
  package var variance: Variance
  /// Whether PNDM skips its Runge–Kutta steps. nil if the file leaves it out, which means no.
  package var skipsRungeKutta: Bool?
  /// Steps of the schedule on which a latent consistency model was distilled.
  package var distilledSteps: Int
  /// Factor of the timesteps in a latent consistency model's boundary condition.
  package var timestepScaling: Float
  /// Seed of the Brownian motion of DPM-Solver's SDE, if not the picture's.
  package var noiseSeed: UInt64?
  /// 0 to 1: how much of the noise that a step removes is drawn anew (DDIM, TCD). No file holds it.
  package var eta = 0.0
  /// Timesteps that a request lists in the place of evenly spaced ones, noisiest first.
  package var listedTimesteps: [Int]?
  /// Sigmas that a request lists, highest first, then the one after the last.
  package var listedSigmas: [Double]?

  /// Reads a scheduler file.
  /// - Parameters:
  ///   - config: the file.
  ///   - classes: names of the diffusers classes whose files are accepted.
  /// - Throws: `CheckpointError` from the file, `DiffusionError.unsupported` for anything that no scheduler here can
  ///   do.
  init(_ config: ConfigObject, classes: Set<String>) throws {
    className = try config.string("_class_name", default: "PNDMScheduler")
    guard classes.contains(className) else {
      throw DiffusionError.unsupported(file: config.path, key: "_class_name", value: className)
    }
    try config.refuseUnknown(allowed: Self.knownKeys)
    trainingSteps = try config.int("num_train_timesteps", default: 1000, in: 1...100_000)
    rescaleZeroSNR = try config.bool("rescale_betas_zero_snr", default: false)
    betas = try BetaSchedule(config, count: trainingSteps)
    spacing = try config.choiceIfPresent("timestep_spacing")
    stepsOffset = try config.intIfPresent("steps_offset", in: 0...1000)
    clipSample = try config.boolIfPresent("clip_sample")
    clipSampleRange = Float(try config.double("clip_sample_range", default: 1))
    setAlphaToOne = try config.boolIfPresent("set_alpha_to_one")
    prediction = try config.choice("prediction_type", default: .epsilon)
    variance = try Self.variance(config)
    thresholding = try DynamicThreshold(config)
    sigmas = try SigmaSettings(config)
    solver = try SolverSettings(config).settled(by: className)
    skipsRungeKutta = try config.boolIfPresent("skip_prk_steps")
    distilledSteps = try config.int("original_inference_steps", default: 50, in: 1...100_000)
    timestepScaling = try config.float("timestep_scaling", default: 10)
    noiseSeed = try config.intIfPresent("noise_sampler_seed", in: 0...Int.max).map { UInt64($0) }
    try config.refuse(Self.onlyWith)
  }

  /// The configuration as diffusers' SD pipelines change it: `clip_sample` off and `steps_offset` 1.
  ///
  /// The pipeline changes the model's own scheduler in any case. A scheduler chosen by name is made by `from_config`
  /// from the file's keys: a key in the file is changed, a key that is not in the file keeps the class's default.
  package func forStableDiffusion(ownMethod: Bool) -> SchedulerConfiguration {
    var copy = self
    if ownMethod || clipSample != nil { copy.clipSample = false }
    if ownMethod || stepsOffset != nil { copy.stepsOffset = 1 }
    return copy
  }

  /// The configuration as diffusers' SD inpainting pipeline changes it: `skip_prk_steps` on and `steps_offset` 1, but
  /// `clip_sample` unchanged. For a scheduler chosen by name, see `forStableDiffusion`.
  package func forInpainting(ownMethod: Bool) -> SchedulerConfiguration {
    var copy = self
    if ownMethod || skipsRungeKutta != nil { copy.skipsRungeKutta = true }
    if ownMethod || stepsOffset != nil { copy.stepsOffset = 1 }
    return copy
  }

  /// The variance of DDPM's noise. In files of other classes the key may have other values, which are ignored.
  private static func variance(_ config: ConfigObject) throws -> Variance {
    guard let name = try config.stringIfPresent("variance_type") else { return .small }
    guard let variance = Variance(rawValue: name) else {
      throw DiffusionError.unsupported(file: config.path, key: "variance_type", value: name)
    }
    return variance
  }

  /// Keys that change what a method computes, with the values that are supported.
  private static let onlyWith: [(key: String, allowed: [JSONValue])] = [
    ("predict_epsilon", [.bool(true)]),
    ("use_flow_sigmas", [.bool(false)]),
    ("use_dynamic_shifting", [.bool(false)]),
    ("shift_terminal", []),
    ("solver_p", []),
    ("tau_func", []),
  ]
}

extension ConfigObject {
  /// The choice that a key names; nil if the key is absent.
  /// - Throws: `DiffusionError.unsupported` for an unknown value.
  func choiceIfPresent<Choice: RawRepresentable<String>>(_ key: String) throws -> Choice? {
    guard let name = try stringIfPresent(key) else { return nil }
    guard let choice = Choice(rawValue: name) else {
      throw DiffusionError.unsupported(file: path, key: key, value: name)
    }
    return choice
  }

  /// Like `choiceIfPresent`, with a default.
  func choice<Choice: RawRepresentable<String>>(_ key: String, default fallback: Choice) throws -> Choice {
    try choiceIfPresent(key) ?? fallback
  }
}
