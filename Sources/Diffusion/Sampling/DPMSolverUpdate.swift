import Foundation
import Tensors

/// One step of DPM-Solver from one noise level to another. The coefficients are those of Lu et al. (2022),
/// "DPM-Solver++", algorithm 2 and appendix B. Those of the stochastic variants are from diffusers'
/// `DPMSolverMultistepScheduler` and `DPMSolverSinglestepScheduler`.
struct DPMSolverUpdate {
  private let equation: DPMSolverEquation
  private let kind: SolverSettings.Kind
  /// The noise level to reach.
  private let target: SolverPoint
  /// The noise levels of the outputs, newest first; as many as the order.
  private let sources: [SolverPoint]
  /// Whether the step starts at the oldest source rather than the newest.
  private let isSingle: Bool
  /// Where the step starts.
  private let start: SolverPoint
  /// Length of the step in log-SNR; infinite in the step to zero noise.
  private let h: Float

  /// - Parameters:
  ///   - equation: what is integrated.
  ///   - kind: midpoint or Heun.
  ///   - target: the noise level to reach.
  ///   - sources: the noise levels of the outputs, newest first; one to three, as many as the order.
  ///   - isSingle: whether the step starts at the oldest source (single-step methods) rather than the newest.
  init(
    equation: DPMSolverEquation, kind: SolverSettings.Kind, target: SolverPoint, sources: [SolverPoint],
    isSingle: Bool = false
  ) {
    self.equation = equation
    self.kind = kind
    self.target = target
    self.sources = sources
    self.isSingle = isSingle
    start = sources[isSingle ? sources.count - 1 : 0]
    h = target.lambda - start.lambda
  }

  /// The sample at the target.
  /// - Parameters:
  ///   - sample: where the step starts.
  ///   - history: the outputs.
  ///   - noise: given for the stochastic equations only.
  func callAsFunction(_ sample: Tensor, _ history: SchedulerHistory, _ noise: Tensor?) -> Tensor {
    let weights = weights()
    let first = history.output(isSingle ? sources.count - 1 : 0)
    var terms = [(weight: weights.sample, tensor: sample), (weight: weights.value, tensor: first)]
    let slopes = isSingle ? singleStepSlopes(history) : slopes(history)
    if let first = slopes.first { terms.append((slopeWeight(), first)) }
    if slopes.count > 1 { terms.append((curvatureWeight(), slopes[1])) }
    if let noise { terms.append((weights.noise, noise)) }
    return combine(terms)
  }

  /// The first and, at third order, second divided differences of the outputs over log-SNR, in units of h.
  private func slopes(_ history: SchedulerHistory) -> [Tensor] {
    guard sources.count > 1 else { return [] }
    let near = (sources[0].lambda - sources[1].lambda) / h
    let nearSlope = combine(1 / near, history.output(0), -1 / near, history.output(1))
    guard sources.count > 2 else { return [nearSlope] }
    let far = (sources[1].lambda - sources[2].lambda) / h
    let farSlope = combine(1 / far, history.output(1), -1 / far, history.output(2))
    let bend = near / (near + far)
    return [
      combine(1 + bend, nearSlope, -bend, farSlope),
      combine(1 / (near + far), nearSlope, -1 / (near + far), farSlope),
    ]
  }

  /// The same for a step that starts at the oldest output: differences from that one.
  private func singleStepSlopes(_ history: SchedulerHistory) -> [Tensor] {
    guard sources.count > 1 else { return [] }
    let oldest = history.output(sources.count - 1)
    let far = (sources[0].lambda - start.lambda) / h
    let farSlope = combine(1 / far, history.output(0), -1 / far, oldest)
    guard sources.count > 2, kind == .heun else { return [farSlope] }
    let near = (sources[1].lambda - start.lambda) / h
    let nearSlope = combine(1 / near, history.output(1), -1 / near, oldest)
    return [
      combine(far / (far - near), nearSlope, -near / (far - near), farSlope),
      combine(2 / (far - near), farSlope, -2 / (far - near), nearSlope),
    ]
  }

  /// The first-order factors of the sample, the first output and the noise.
  private func weights() -> (sample: Float, value: Float, noise: Float) {
    switch equation {
    case .image:
      return (target.sigma / start.sigma, -(target.alpha * (exp(-h) - 1)), 0)
    case .noise:
      return (target.alpha / start.alpha, -(target.sigma * (exp(h) - 1)), 0)
    case .stochasticImage:
      let gain = 1 - exp(-2 * h)
      return (target.sigma / start.sigma * exp(-h), target.alpha * gain, target.sigma * gain.squareRoot())
    case .stochasticNoise:
      return (
        target.alpha / start.alpha, -2 * (target.sigma * (exp(h) - 1)),
        target.sigma * (exp(2 * h) - 1).squareRoot()
      )
    }
  }

  /// The factor of the first differences.
  private func slopeWeight() -> Float {
    // The third order has Heun's weight in both variants.
    let midpoint = sources.count == 2 && kind == .midpoint
    switch equation {
    case .image:
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
    switch equation {
    case .image:
      return -(target.alpha * ((exp(-h) - 1 + h) / (h * h) - 0.5))
    case .noise, .stochasticNoise:
      return -(target.sigma * ((exp(h) - 1 - h) / (h * h) - 0.5))
    case .stochasticImage:
      return target.alpha * ((1 - exp(-2 * h) - 2 * h) / (4 * h * h) - 0.5)
    }
  }
}
