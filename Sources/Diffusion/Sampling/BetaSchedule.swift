import Checkpoints
import Foundation

/// How much noise each training step adds. A scheduler file names a curve and its two ends, or lists the betas.
/// Values that it leaves out have other defaults in each method (`Defaults`).
package struct BetaSchedule: Sendable, Equatable {
  /// The curves, by diffusers' names.
  package enum Curve: String, Sendable {
    case linear
    /// The square roots are linear (latent diffusion).
    case scaledLinear = "scaled_linear"
    /// ᾱ is a squared cosine (Nichol and Dhariwal, 2021).
    case cosine = "squaredcos_cap_v2"
    /// ᾱ = exp(−12·t); only Heun's method supports it.
    case exponential = "exp"
  }

  /// A diffusers class's defaults for keys that the file leaves out.
  package struct Defaults: Sendable {
    package let start: Double
    package let end: Double
    package let curve: Curve
    /// Whether the class supports the curve `exp`.
    package let knowsExponential: Bool

    /// Most classes.
    package static let common = Defaults(start: 0.0001, end: 0.02, curve: .linear, knowsExponential: false)
    /// `HeunDiscreteScheduler`.
    package static let heun = Defaults(start: 0.00085, end: 0.012, curve: .linear, knowsExponential: true)
    /// `KDPM2DiscreteScheduler`, `KDPM2AncestralDiscreteScheduler`, `DPMSolverSDEScheduler`.
    package static let midpoint = Defaults(
      start: 0.00085, end: 0.012, curve: .linear, knowsExponential: false)
    /// `LCMScheduler`, `TCDScheduler`.
    package static let consistency = Defaults(
      start: 0.00085, end: 0.012, curve: .scaledLinear, knowsExponential: false)
  }

  private let path: String
  private let count: Int
  private let start: Double?
  private let end: Double?
  /// nil if the file names none. Ignored if the file lists betas.
  let curve: Curve?
  private let trained: [Float]?
  /// Whether the file lists its betas.
  var isListed: Bool { trained != nil }

  /// - Parameter count: training steps.
  /// - Throws: `CheckpointError` from the file; `DiffusionError.unsupported` for an unknown curve or
  ///   betas outside 0…1.
  init(_ config: ConfigObject, count: Int) throws {
    path = config.path
    self.count = count
    start = try config.doubleIfPresent("beta_start")
    end = try config.doubleIfPresent("beta_end")
    curve = try config.choiceIfPresent("beta_schedule")
    trained = try config.doublesIfPresent("trained_betas")?.map { Float($0) }
    // Betas that no method can use are refused here, when the model is loaded, rather than when it renders.
    _ = try values(.heun)
  }

  /// The betas, first step first.
  /// - Throws: `DiffusionError.unsupported` for betas outside 0…1.
  func values(_ defaults: Defaults) throws -> [Float] {
    if trained == nil, curve == .exponential, !defaults.knowsExponential {
      throw DiffusionError.unsupported(file: path, key: "beta_schedule", value: "exp with this scheduler")
    }
    let (start, end) = (start ?? defaults.start, end ?? defaults.end)
    let betas = trained ?? Self.betas(curve ?? defaults.curve, from: start, to: end, count: count)
    guard betas.count == count, betas.allSatisfy({ $0 > 0 && $0 <= 1 }) else {
      throw DiffusionError.unsupported(
        file: path, key: "betas", value: "(\(betas.count) values from \(start) to \(end))")
    }
    return betas
  }

  /// Betas along a curve, computed in 32 bits as torch does.
  private static func betas(_ curve: Curve, from start: Double, to end: Double, count: Int) -> [Float] {
    switch curve {
    case .linear:
      return linspace(Float(start), Float(end), count)
    case .scaledLinear:
      // The reference takes the square roots in double, then torch rounds them.
      return linspace(Float(start.squareRoot()), Float(end.squareRoot()), count).map { $0 * $0 }
    case .cosine:
      return capped(count) { pow(cos(($0 + 0.008) / 1.008 * .pi / 2), 2) }
    case .exponential:
      return capped(count) { exp(-12 * $0) }
    }
  }

  /// Betas whose ᾱ follows a function of time, capped at 0.999.
  private static func capped(_ count: Int, product: (Double) -> Double) -> [Float] {
    (0..<count).map { step in
      let (from, to) = (Double(step) / Double(count), Double(step + 1) / Double(count))
      return Float(min(1 - product(to) / product(from), 0.999))
    }
  }

  /// torch's `linspace`, which computes from both ends towards the middle, with fused multiply-adds.
  static func linspace(_ start: Float, _ end: Float, _ count: Int) -> [Float] {
    guard count > 1 else { return [start] }
    let step = (end - start) / Float(count - 1)
    return (0..<count).map { index in
      index < count / 2
        ? start.addingProduct(step, Float(index)) : end.addingProduct(-step, Float(count - 1 - index))
    }
  }

  /// ᾱ at each training timestep: the running product of 1 − beta. As in torch's `cumprod`, it runs in 64 bits.
  static func runningProducts(_ betas: [Float]) -> [Float] {
    var product = 1.0
    return betas.map {
      product *= Double(1 - $0)
      return Float(product)
    }
  }

  /// Betas rescaled so that the last training step is pure noise (Lin et al., 2023, algorithm 1).
  static func rescaledToZeroSNR(_ betas: [Float]) -> [Float] {
    var roots = runningProducts(betas).map { $0.squareRoot() }
    guard let first = roots.first, let last = roots.last, first != last else { return betas }
    roots = roots.map { ($0 - last) * (first / (first - last)) }
    let products = roots.map { $0 * $0 }
    return products.indices.map { index in
      1 - (index == 0 ? products[0] : products[index] / products[index - 1])
    }
  }
}
