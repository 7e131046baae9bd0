import Foundation
import Tensors

/// One step of DPM-Solver from one noise level to the next. The coefficients are those of Lu et al. (2022),
/// "DPM-Solver++", algorithm 2 and appendix B. Those of the stochastic variants are from diffusers'
/// `DPMSolverMultistepScheduler`.
struct DPMSolverUpdate {
  private let algorithm: SolverSettings.Algorithm
  private let kind: SolverSettings.Kind
  private let order: Int
  /// The noise level to reach.
  private let target: SolverPoint
  private let sources: [SolverPoint]
  /// Length of the step in log-SNR; infinite in the step to zero noise.
  private let h: Float

  /// - Parameters:
  ///   - levels: the noise levels of all steps.
  ///   - index: the step to take.
  init(
    algorithm: SolverSettings.Algorithm, kind: SolverSettings.Kind, levels: [Float], index: Int, order: Int
  ) {
    self.algorithm = algorithm
    self.kind = kind
    self.order = order
    target = SolverPoint(level: levels[index + 1])
    sources = (0..<order).map { SolverPoint(level: levels[index - $0]) }
    h = target.lambda - sources[0].lambda
  }

  /// The sample at the target.
  /// - Parameter noise: given for the stochastic algorithms only.
  func callAsFunction(_ sample: Tensor, _ history: SchedulerHistory, _ noise: Tensor?) -> Tensor {
    let weights = weights()
    var terms = [
      (weight: weights.sample, tensor: sample), (weight: weights.value, tensor: history.output(0)),
    ]
    let slopes = slopes(history)
    if let first = slopes.first { terms.append((slopeWeight(), first)) }
    if slopes.count > 1 { terms.append((curvatureWeight(), slopes[1])) }
    if let noise { terms.append((weights.noise, noise)) }
    return combine(terms)
  }

  /// The first and, at third order, second divided differences of the outputs over log-SNR, in units of h.
  private func slopes(_ history: SchedulerHistory) -> [Tensor] {
    guard order > 1 else { return [] }
    let near = (sources[0].lambda - sources[1].lambda) / h
    let nearSlope = combine(1 / near, history.output(0), -1 / near, history.output(1))
    guard order > 2 else { return [nearSlope] }
    let far = (sources[1].lambda - sources[2].lambda) / h
    let farSlope = combine(1 / far, history.output(1), -1 / far, history.output(2))
    let bend = near / (near + far)
    return [
      combine(1 + bend, nearSlope, -bend, farSlope),
      combine(1 / (near + far), nearSlope, -1 / (near + far), farSlope),
    ]
  }

  /// The first-order factors of the sample, the newest output and the noise.
  private func weights() -> (sample: Float, value: Float, noise: Float) {
    let source = sources[0]
    switch algorithm {
    case .image, .deis:
      return (target.sigma / source.sigma, -(target.alpha * (exp(-h) - 1)), 0)
    case .noise:
      return (target.alpha / source.alpha, -(target.sigma * (exp(h) - 1)), 0)
    case .stochasticImage:
      let gain = 1 - exp(-2 * h)
      return (target.sigma / source.sigma * exp(-h), target.alpha * gain, target.sigma * gain.squareRoot())
    case .stochasticNoise:
      return (
        target.alpha / source.alpha, -2 * (target.sigma * (exp(h) - 1)),
        target.sigma * (exp(2 * h) - 1).squareRoot()
      )
    }
  }

  /// The factor of the first differences.
  private func slopeWeight() -> Float {
    // The third order has only one variant.
    let midpoint = order == 2 && kind == .midpoint
    switch algorithm {
    case .image, .deis:
      let gain = exp(-h) - 1
      return midpoint ? -0.5 * (target.alpha * gain) : target.alpha * (gain / h + 1)
    case .noise:
      let gain = exp(h) - 1
      return midpoint ? -0.5 * (target.sigma * gain) : -(target.sigma * (gain / h - 1))
    case .stochasticImage:
      let gain = 1 - exp(-2 * h)
      return midpoint ? 0.5 * (target.alpha * gain) : target.alpha * (gain / (-2 * h) + 1)
    case .stochasticNoise:
      let gain = exp(h) - 1
      return midpoint ? -(target.sigma * gain) : -2 * (target.sigma * (gain / h - 1))
    }
  }

  /// The factor of the second differences.
  private func curvatureWeight() -> Float {
    switch algorithm {
    case .image, .deis:
      return -(target.alpha * ((exp(-h) - 1 + h) / (h * h) - 0.5))
    case .noise, .stochasticNoise:
      return -(target.sigma * ((exp(h) - 1 - h) / (h * h) - 0.5))
    case .stochasticImage:
      return target.alpha * ((1 - exp(-2 * h) - 2 * h) / (4 * h * h) - 0.5)
    }
  }
}
