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
    if spacing == .linspace {
      // Not rounded: this method takes timesteps between the trained ones.
      let last = Double(configuration.trainingSteps - 1)
      timesteps =
        steps == 1
        ? [0] : (0..<steps).reversed().map { Float(Double($0) * (last / Double(steps - 1))) }
    } else {
      timesteps = configuration.timesteps(steps, fallback: spacing).map { Float($0) }
    }
    let trained = configuration.sigmas
    sigmas = timesteps.map { interpolate(trained, at: Double($0)) } + [0]
    let largest = sigmas.max() ?? 1
    initialSigma = spacing == .leading ? (largest * largest + 1).squareRoot() : largest
    prediction = configuration.prediction
  }

  package func scaled(_ sample: Tensor, step: Int) -> Tensor {
    combine(1 / (sigmas[step] * sigmas[step] + 1).squareRoot(), sample, 0, sample)
  }

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
