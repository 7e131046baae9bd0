import Foundation
import Tensors

/// Multistep exponential integrators whose polynomials run over the logarithm of sigma (Zhang and Chen, 2023,
/// "DEIS", the ρAB variant in log ρ; diffusers' `DEISMultistepScheduler`).
package struct DEISScheduler: Scheduler {
  package let timesteps: [Float]
  package let initialSigma: Float = 1
  /// The last predicted noise, as many as the order, at most three.
  package var history = SchedulerHistory()
  private let configuration: SchedulerConfiguration
  private let sigmas: [Float]

  /// - Throws: `DiffusionError` for settings and step counts that the method cannot take.
  package init(_ configuration: SchedulerConfiguration, steps: Int) throws {
    _ = try configuration.solver.algorithm([], default: .deis, accepting: [.deis, .noise, .image])
    // diffusers' class supports no zero SNR, and always ends at the smallest sigma.
    let trained = try configuration.trainedSigmas(zeroSNR: false)
    let schedule = try SigmaSchedule(
      solver: configuration, steps: steps, trained: trained, shape: configuration.sigmas.shape(),
      final: .smallest, last: trained.count, rounded: true, shapedEnd: true)
    self.configuration = configuration
    timesteps = schedule.timesteps
    sigmas = schedule.sigmas
  }

  /// Image and noise are scaled so that their sum has unit deviation.
  package func noised(_ sample: Tensor, noise: Tensor, call: Int) -> Tensor {
    let point = SolverPoint(level: sigmas[call])
    return combine(point.alpha, sample, point.sigma, noise)
  }

  /// One multistep step; `noise` is never drawn.
  package mutating func step(_ index: Int, output: Tensor, sample: Tensor, noise: () -> Tensor) -> Tensor {
    let solver = configuration.solver
    let (source, target) = (SolverPoint(level: sigmas[index]), SolverPoint(level: sigmas[index + 1]))
    history.remember(
      configuration.thresholded(output, sample: sample, at: source).noise, limit: min(3, solver.order))
    // A step of no length changes nothing.
    guard sigmas[index + 1] != sigmas[index] else { return sample }
    let order = solver.multistepOrder(
      index, of: timesteps.count, outputs: history.outputs.count, endsFirst: false)
    // In x / α the equation is dx/dρ = noise, with ρ = σ / α. The weights are the integrals over the step of the
    // polynomials that are 1 at one past level and 0 at the others.
    let levels = (0..<order).map { Double(sigmas[index - $0]) }
    let scale = target.alpha / source.alpha
    var terms: [(weight: Float, tensor: Tensor)] = [(scale, sample)]
    for age in 0..<order {
      let others = levels.indices.filter { $0 != age }.map { levels[$0] }
      let weight =
        Self.integral(to: Double(sigmas[index + 1]), one: levels[age], zero: others)
        - Self.integral(to: levels[0], one: levels[age], zero: others)
      terms.append((target.alpha * Float(weight), history.output(age)))
    }
    return combine(terms)
  }

  /// The integral over ρ, up to `end`, of the polynomial in log ρ that is 1 at one level and 0 at the others.
  private static func integral(to end: Double, one: Double, zero: [Double]) -> Double {
    let logarithm = log(end)
    let divisor = zero.reduce(1) { $0 * (log(one) - log($1)) }
    switch zero.count {
    case 0: return end
    case 1: return end * (logarithm - 1 - log(zero[0])) / divisor
    default:
      let (c, d) = (log(zero[0]), log(zero[1]))
      let square = logarithm * logarithm - 2 * logarithm + 2
      return end * (square - (c + d) * (logarithm - 1) + c * d) / divisor
    }
  }
}
