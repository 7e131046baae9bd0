import Checkpoints
import Foundation

/// What a model says about its noise: `scheduler/scheduler_config.json`, whichever scheduler class
/// it was written for.
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

  /// Where sigmas end.
  package enum FinalSigma: String, Sendable {
    case zero
    case smallest = "sigma_min"
  }

  /// How sigmas lie between trained timesteps.
  package enum Interpolation: String, Sendable {
    case linear
    case logLinear = "log_linear"
  }

  package var className: String
  package var trainingSteps: Int
  package var betas: [Float]
  package var prediction: Prediction
  package var spacing: Spacing?
  /// nil where the file says nothing: then each method has its own default.
  package var stepsOffset: Int?
  package var clipSample: Bool?
  package var clipSampleRange: Float
  package var setAlphaToOne: Bool?
  package var rescaleZeroSNR: Bool
  /// Whether sigmas follow Karras et al. (2022), equation 5, instead of the trained steps.
  package var karrasSigmas: Bool
  package var variance: Variance
  package var finalSigma: FinalSigma
  package var interpolation: Interpolation

  /// - Throws: `CheckpointError` from the file, `DiffusionError.unsupported` for what no scheduler
  ///   here does.
  package init(_ config: ConfigObject) throws {
    func refuse(_ key: String, _ value: String) -> DiffusionError {
      .unsupported(file: config.path, key: key, value: value)
    }
    className = try config.string("_class_name", default: "PNDMScheduler")
    trainingSteps = try config.int("num_train_timesteps", default: 1000, in: 1...100_000)
    rescaleZeroSNR = try config.bool("rescale_betas_zero_snr", default: false)
    let schedule = try config.string("beta_schedule", default: "linear")
    let start = Float(try config.double("beta_start", default: 0.0001))
    let end = Float(try config.double("beta_end", default: 0.02))
    if let trained = try config.doublesIfPresent("trained_betas") {
      betas = trained.map { Float($0) }
    } else {
      guard let made = Self.betas(schedule, from: start, to: end, count: trainingSteps) else {
        throw refuse("beta_schedule", schedule)
      }
      betas = made
    }
    if rescaleZeroSNR { betas = Self.rescaledToZeroSNR(betas) }
    guard betas.count == trainingSteps, betas.allSatisfy({ $0 > 0 && $0 <= 1 }) else {
      throw refuse("betas", "\(betas.count) values from \(start) to \(end)")
    }
    spacing = try config.stringIfPresent("timestep_spacing").map {
      guard let spacing = Spacing(rawValue: $0) else { throw refuse("timestep_spacing", $0) }
      return spacing
    }
    stepsOffset = try config.intIfPresent("steps_offset", in: 0...1000)
    clipSample = try config.boolIfPresent("clip_sample")
    clipSampleRange = Float(try config.double("clip_sample_range", default: 1))
    setAlphaToOne = try config.boolIfPresent("set_alpha_to_one")
    func choice<Choice: RawRepresentable<String>>(_ key: String, default fallback: Choice) throws -> Choice {
      guard let name = try config.stringIfPresent(key) else { return fallback }
      guard let choice = Choice(rawValue: name) else { throw refuse(key, name) }
      return choice
    }
    prediction = try choice("prediction_type", default: .epsilon)
    variance = try choice("variance_type", default: .small)
    finalSigma = try choice("final_sigmas_type", default: .zero)
    interpolation = try choice("interpolation_type", default: .linear)
    karrasSigmas = try config.bool("use_karras_sigmas", default: false)
    try config.refuse(Self.onlyWith)
  }

  /// What the SD pipelines of diffusers make of it: `clip_sample` off and `steps_offset` 1.
  ///
  /// The model's own scheduler is so changed whatever its file says. One chosen by name is made by
  /// `from_config`, which hands on what the file says, changed so, but not what it leaves out.
  package func forStableDiffusion(ownMethod: Bool) -> SchedulerConfiguration {
    var copy = self
    if ownMethod || clipSample != nil { copy.clipSample = false }
    if ownMethod || stepsOffset != nil { copy.stepsOffset = 1 }
    return copy
  }

  /// ᾱ: the running product of 1 − beta.
  package var alphaProducts: [Float] {
    var product: Float = 1
    return betas.map {
      product *= 1 - $0
      return product
    }
  }

  /// Keys that change what a method computes, with the values that the methods here compute.
  private static let onlyWith: [(key: String, allowed: [JSONValue])] = [
    ("thresholding", [.bool(false)]),
    ("use_exponential_sigmas", [.bool(false)]),
    ("use_beta_sigmas", [.bool(false)]),
    ("timestep_type", [.string("discrete")]),
    ("sigma_min", []),
    ("sigma_max", []),
  ]

  /// Betas by the name of their schedule, in 32-bit steps as torch makes them.
  private static func betas(_ schedule: String, from start: Float, to end: Float, count: Int) -> [Float]? {
    switch schedule {
    case "linear":
      return linspace(start, end, count)
    case "scaled_linear":
      // The reference takes the roots in double before torch rounds them.
      let roots = linspace(
        Float(Double(start).squareRoot()), Float(Double(end).squareRoot()), count)
      return roots.map { $0 * $0 }
    case "squaredcos_cap_v2":
      func product(_ time: Double) -> Double { pow(cos((time + 0.008) / 1.008 * .pi / 2), 2) }
      return (0..<count).map { step in
        let (from, to) = (Double(step) / Double(count), Double(step + 1) / Double(count))
        return Float(min(1 - product(to) / product(from), 0.999))
      }
    default:
      return nil
    }
  }

  /// torch's linspace: from both ends towards the middle.
  static func linspace(_ start: Float, _ end: Float, _ count: Int) -> [Float] {
    guard count > 1 else { return [start] }
    let step = (end - start) / Float(count - 1)
    return (0..<count).map { index in
      index < count / 2 ? start + step * Float(index) : end - step * Float(count - 1 - index)
    }
  }

  /// Betas whose last step is pure noise (Lin et al., 2023, algorithm 1).
  private static func rescaledToZeroSNR(_ betas: [Float]) -> [Float] {
    var product: Float = 1
    var roots = betas.map { beta -> Float in
      product *= 1 - beta
      return product.squareRoot()
    }
    guard let first = roots.first, let last = roots.last, first != last else { return betas }
    roots = roots.map { ($0 - last) * (first / (first - last)) }
    let products = roots.map { $0 * $0 }
    return products.indices.map { index in
      1 - (index == 0 ? products[0] : products[index] / products[index - 1])
    }
  }
}
