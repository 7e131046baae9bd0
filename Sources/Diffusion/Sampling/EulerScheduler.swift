import Foundation
import Tensors

/// Euler steps along the probability flow (Karras et al., 2022, algorithm 1 without churn;
/// diffusers' `EulerDiscreteScheduler`).
package struct EulerScheduler: Scheduler {
  package let timesteps: [Float]
  package let initialSigma: Float
  private let prediction: SchedulerConfiguration.Prediction
  /// The deviation of the noise at each step, and 0 after the last.
  private let sigmas: [Float]

  package init(_ configuration: SchedulerConfiguration, steps: Int) {
    let spacing = configuration.spacing ?? .linspace
    let trained = configuration.sigmas
    var times: [Float]
    if spacing == .linspace {
      // Not rounded: this method takes timesteps between the trained ones.
      let last = Double(configuration.trainingSteps - 1)
      times = steps == 1 ? [0] : (0..<steps).reversed().map { Float(Double($0) * (last / Double(steps - 1))) }
    } else {
      times = configuration.timesteps(steps, fallback: spacing).map { Float($0) }
    }
    var levels = times.map { interpolate(trained, at: Double($0)) }
    if configuration.interpolation == .logLinear { levels = Self.logLinear(trained, steps: steps) }
    if configuration.karrasSigmas {
      levels = Self.karras(from: levels.first ?? 1, to: levels.last ?? 1, steps: steps)
      times = levels.map { Self.timestep(of: $0, in: trained) }
    }
    timesteps = times
    sigmas = levels + [configuration.finalSigma == .zero ? 0 : trained[0]]
    let largest = sigmas.max() ?? 1
    initialSigma = spacing == .leading ? (largest * largest + 1).squareRoot() : largest
    prediction = configuration.prediction
  }

  /// Evenly spaced logarithms from the largest trained sigma to the smallest. One value more than
  /// there are steps, as the reference has it.
  private static func logLinear(_ trained: [Float], steps: Int) -> [Float] {
    guard let smallest = trained.first, let largest = trained.last else { return [] }
    return SchedulerConfiguration.linspace(log(largest), log(smallest), steps + 1).map { exp($0) }
  }

  /// Karras et al. (2022), equation 5, ρ = 7.
  private static func karras(from largest: Float, to smallest: Float, steps: Int) -> [Float] {
    let (start, end) = (pow(Double(largest), 1 / 7), pow(Double(smallest), 1 / 7))
    return (0..<steps).map { step in
      let ramp = steps == 1 ? 0 : Double(step) / Double(steps - 1)
      return Float(pow(start + ramp * (end - start), 7))
    }
  }

  /// The trained timestep, with fraction, whose sigma this is, by interpolated logarithms.
  private static func timestep(of sigma: Float, in trained: [Float]) -> Float {
    let logarithms = trained.map { Double(log($0)) }
    let wanted = log(max(Double(sigma), 1e-10))
    let below = logarithms.lastIndex { $0 <= wanted } ?? 0
    let low = min(below, logarithms.count - 2)
    let weight = (logarithms[low] - wanted) / (logarithms[low] - logarithms[low + 1])
    return Float(Double(low) + max(0, min(1, weight)))
  }

  /// The sample at unit variance, as the UNet was trained to see it.
  package func scaled(_ sample: Tensor, step: Int) -> Tensor {
    combine(1 / (sigmas[step] * sigmas[step] + 1).squareRoot(), sample, 0, sample)
  }

  /// One Euler step; `noise` is never drawn.
  package mutating func step(_ index: Int, output: Tensor, sample: Tensor, noise: () -> Tensor) -> Tensor {
    let sigma = sigmas[index]
    let delta = sigmas[index + 1] - sigma
    switch prediction {
    case .epsilon:
      return combine(1, sample, delta, output)
    case .sample:
      return combine(1 + delta / sigma, sample, -delta / sigma, output)
    case .velocity:
      let variance = sigma * sigma + 1
      let image = combine(-sigma / variance.squareRoot(), output, 1 / variance, sample)
      return combine(1 + delta / sigma, sample, -delta / sigma, image)
    }
  }
}

extension SchedulerConfiguration {
  /// The deviation of the noise at each training timestep, √((1 − ᾱ) / ᾱ), the image having 1.
  var sigmas: [Float] {
    var products = alphaProducts
    // Zero signal would be infinite noise; the reference stops at 2⁻²⁴.
    if rescaleZeroSNR, !products.isEmpty { products[products.count - 1] = 0x1p-24 }
    return products.map { ((1 - $0) / $0).squareRoot() }
  }
}

/// A table's value between its entries, held at the ends (numpy's `interp` over indices).
func interpolate(_ table: [Float], at position: Double) -> Float {
  let lower = max(0, min(table.count - 1, Int(position)))
  let upper = min(table.count - 1, lower + 1)
  let fraction = position - Double(lower)
  let (a, b) = (Double(table[lower]), Double(table[upper]))
  return Float(a + (b - a) * fraction)
}
