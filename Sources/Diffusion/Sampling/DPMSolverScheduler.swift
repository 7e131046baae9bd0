import Foundation
import Tensors

/// Multistep exponential integrators of first to third order in log-SNR (Lu et al., 2022, "DPM-Solver"
/// and "DPM-Solver++"; diffusers' `DPMSolverMultistepScheduler`): `dpmpp_2m`, and with Karras's sigmas
/// `dpmpp_2m_karras`, and with fresh noise at each step `dpmpp_2m_sde_karras`.
package struct DPMSolverScheduler: Scheduler {
  package let timesteps: [Float]
  package let initialSigma: Float = 1
  /// As many predicted images (or, with the older algorithms, predicted noise) as the order.
  package var history = SchedulerHistory()
  private let configuration: SchedulerConfiguration
  private let sigmas: [Float]

  /// - Throws: `DiffusionError` for settings and step counts that the method cannot take.
  package init(_ configuration: SchedulerConfiguration, steps: Int) throws {
    let (settings, solver) = (configuration.sigmas, configuration.solver)
    func refuse(_ key: String, _ value: String) -> DiffusionError {
      .unsupported(file: "scheduler", key: key, value: value)
    }
    guard solver.order <= 3 else { throw refuse("solver_order", "\(solver.order)") }
    // What the reference refuses, and what it leaves undefined.
    guard !solver.algorithm.predictsNoise || settings.final != .zero else {
      throw refuse("final_sigmas_type", "zero with algorithm_type \(solver.algorithm.rawValue)")
    }
    guard solver.algorithm != .stochasticNoise || solver.order < 3 else {
      throw refuse("solver_order", "3 with algorithm_type \(solver.algorithm.rawValue)")
    }
    let trained = try configuration.trainedSigmas()
    // The log-SNR is the negative logarithm of sigma.
    let last = trained.count { -Double($0.logarithm) >= settings.smallestLambda }
    let schedule = try SigmaSchedule(
      solver: configuration, steps: steps, trained: trained, shape: settings.shape(knowsLu: true),
      last: last, rounded: configuration.betas.curve != .cosine, shapedEnd: false)
    self.configuration = configuration
    timesteps = schedule.timesteps
    sigmas = schedule.sigmas
  }

  /// Both scaled to unit deviation in all.
  package func noised(_ sample: Tensor, noise: Tensor, call: Int) -> Tensor {
    let point = SolverPoint(level: sigmas[call])
    return combine(point.alpha, sample, point.sigma, noise)
  }

  /// One step; the stochastic algorithms draw noise in every one.
  package mutating func step(_ index: Int, output: Tensor, sample: Tensor, noise: () -> Tensor) -> Tensor {
    let solver = configuration.solver
    history.remember(converted(output, sample, SolverPoint(level: sigmas[index])), limit: solver.order)
    // Drawn whether or not it counts, so that the stream goes on as the reference's.
    let fresh = solver.algorithm.isStochastic ? noise() : nil
    // No distance, no change. (The reference's fractions of it would be 0 / 0.)
    guard sigmas[index + 1] != sigmas[index] else { return sample }
    let update = DPMSolverUpdate(
      algorithm: solver.algorithm, kind: solver.kind == .heun ? .heun : .midpoint,
      levels: sigmas, index: index, order: order(index))
    return update(sample, history, fresh)
  }

  /// The order of a step: as many outputs as there are, and fewer at the end of short renders, where
  /// higher orders overshoot.
  private func order(_ index: Int) -> Int {
    let solver = configuration.solver
    let remaining = timesteps.count - index
    let short = solver.lowerOrderFinal && timesteps.count < 15
    if remaining == 1, solver.eulerAtFinal || short || configuration.sigmas.final == .zero { return 1 }
    return min(history.outputs.count, remaining == 2 && short ? 2 : 3)
  }

  /// The prediction in the form that the algorithm integrates.
  private func converted(_ output: Tensor, _ sample: Tensor, _ point: SolverPoint) -> Tensor {
    let prediction = configuration.denoised(output, sample: sample, alpha: point.alpha, sigma: point.sigma)
    guard let threshold = configuration.thresholding else {
      return configuration.solver.algorithm.predictsNoise ? prediction.noise : prediction.image
    }
    let image = threshold(prediction.image)
    guard configuration.solver.algorithm.predictsNoise else { return image }
    return combine(1 / point.sigma, sample, -point.alpha / point.sigma, image)
  }
}

extension Float {
  /// The natural logarithm.
  fileprivate var logarithm: Float { log(self) }
}
