import Foundation
import Tensors

/// One step of SA-Solver from one noise level to the next (Xue et al., 2023, equations 14 and 17; diffusers'
/// `stochastic_adams_bashforth_update` and `stochastic_adams_moulton_update`). Coefficients are computed in double:
/// they are small differences of large numbers.
struct SASolverUpdate {
  private let sampleWeight: Float
  /// Of the outputs, newest first.
  private let weights: [Float]
  private let noiseWeight: Float

  /// - Parameters:
  ///   - source: sigma where the step starts.
  ///   - target: sigma to reach.
  ///   - nodes: sigmas of the outputs, newest first; one to four.
  ///   - isStochastic: τ: whether the SDE is followed rather than the ODE.
  ///   - onImages: whether the outputs are predicted images rather than predicted noise.
  ///   - isCorrection: whether the newest output is at the target.
  init(
    source: Float, target: Float, nodes: [Float], isStochastic: Bool, onImages: Bool, isCorrection: Bool
  ) {
    let (from, to) = (LogSNR(source), LogSNR(target))
    let square: Double = isStochastic ? 1 : 0
    let h = to.lambda - from.lambda
    let times = nodes.map { LogSNR($0).lambda }
    var gains = Self.integrals(
      from: from.lambda, to: to.lambda, times, rate: onImages ? 1 + square : -1)
    if onImages, gains.count == 2 {
      // The reference's own term of third order, which makes few steps better.
      let rate = 1 + square
      let rest = (h * rate - 1 + exp(-rate * h)) / (rate * rate)
      let bend = isCorrection ? h / 2 - rest / h : (h * h / 2 - rest) / (from.lambda - times[1])
      let change = h == 0 ? 0 : exp(rate * to.lambda) * bend
      gains[0] += change
      gains[1] -= change
    }
    if onImages {
      let scale = (1 + square) * to.sigma * exp(-square * to.lambda)
      weights = gains.map { Float(scale * $0) }
      sampleWeight = Float(exp(-square * h) * to.sigma / from.sigma)
      noiseWeight = Float(to.sigma * (1 - exp(-2 * square * h)).squareRoot())
    } else {
      weights = gains.map { Float(-(1 + square) * to.alpha * $0) }
      sampleWeight = Float(to.alpha / from.alpha)
      noiseWeight = Float(square * to.sigma * (exp(2 * h) - 1).squareRoot())
    }
  }

  /// The sample at the target.
  /// - Parameters:
  ///   - sample: where the step starts.
  ///   - outputs: newest first, at least as many as there are nodes.
  ///   - noise: the noise of unit deviation.
  func callAsFunction(_ sample: Tensor, _ outputs: [Tensor], _ noise: Tensor) -> Tensor {
    var terms = [(weight: sampleWeight, tensor: sample)]
    for (weight, output) in zip(weights, outputs) { terms.append((weight, output)) }
    terms.append((noiseWeight, noise))
    return combine(terms)
  }

  /// The integrals of e^(rate·λ) times the polynomial that is 1 at one node and 0 at the others, for each node.
  private static func integrals(from: Double, to: Double, _ nodes: [Double], rate: Double) -> [Double] {
    // Powers are taken about the step's start, so that no digits are lost.
    let moments = moments(nodes.count, length: to - from, rate: rate)
    let factor = exp(rate * from)
    return nodes.indices.map { node in
      var polynomial = [1.0]
      var divisor = 1.0
      for other in nodes.indices where other != node {
        let root = nodes[other] - from
        polynomial = zip([0] + polynomial, polynomial + [0]).map { $0 - root * $1 }
        divisor *= nodes[node] - nodes[other]
      }
      return factor * zip(polynomial, moments).reduce(0) { $0 + $1.0 * $1.1 } / divisor
    }
  }

  /// The integrals of e^(rate·x)·xᵏ over 0…length, for k below `count`.
  private static func moments(_ count: Int, length: Double, rate: Double) -> [Double] {
    var moments = [expm1(rate * length) / rate]
    for power in 1..<max(2, count) {
      let end = exp(rate * length) * pow(length, Double(power))
      moments.append((end - Double(power) * moments[power - 1]) / rate)
    }
    return moments
  }

  /// A noise level in double; otherwise as `SolverPoint`.
  private struct LogSNR {
    let alpha: Double
    let sigma: Double
    let lambda: Double

    init(_ level: Float) {
      let level = Double(level)
      alpha = 1 / (level * level + 1).squareRoot()
      sigma = level * alpha
      lambda = -log(level)
    }
  }
}
