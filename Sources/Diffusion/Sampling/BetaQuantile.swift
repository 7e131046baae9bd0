import Foundation

/// The quantile function of the symmetric beta distribution with both parameters 0.6 (scipy's
/// `beta.ppf(p, 0.6, 0.6)`). "Beta" sigmas are spaced by it (Lee et al., 2024, "Beta Sampling is All You Need").
struct BetaQuantile {
  private let shape: Double

  init(shape: Double = 0.6) {
    self.shape = shape
  }

  /// The x in 0…1 with that cumulative probability.
  func callAsFunction(_ probability: Double) -> Double {
    guard probability > 0 else { return 0 }
    guard probability < 1 else { return 1 }
    // The distribution is symmetric. The lower half is computed, because small x keep all their digits.
    guard probability <= 0.5 else { return 1 - self(1 - probability) }
    // The distribution function is monotonic, so bisection always finds the place.
    var (low, high) = (0.0, 0.5)
    for _ in 0..<200 {
      let middle = (low + high) / 2
      if distribution(middle) < probability { low = middle } else { high = middle }
    }
    return (low + high) / 2
  }

  /// The regularized incomplete beta function I_x(a, a) for x ≤ ½, by its continued fraction
  /// (Abramowitz and Stegun, 26.5.8), evaluated as Lentz does.
  private func distribution(_ x: Double) -> Double {
    guard x > 0 else { return 0 }
    let a = shape
    let scale = exp(a * log(x) + a * log(1 - x)) * tgamma(2 * a) / (tgamma(a) * tgamma(a))
    let tiny = 1e-300
    var c = 1.0
    var d = 1 / nonzero(1 - 2 * a * x / (a + 1), tiny)
    var fraction = d
    for step in 1...300 {
      let m = Double(step)
      let even = m * (a - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
      d = 1 / nonzero(1 + even * d, tiny)
      c = nonzero(1 + even / c, tiny)
      fraction *= d * c
      let odd = -(a + m) * (2 * a + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
      d = 1 / nonzero(1 + odd * d, tiny)
      c = nonzero(1 + odd / c, tiny)
      let change = d * c
      fraction *= change
      if abs(change - 1) < 1e-16 { break }
    }
    return scale * fraction / a
  }

  private func nonzero(_ value: Double, _ tiny: Double) -> Double { abs(value) < tiny ? tiny : value }
}
