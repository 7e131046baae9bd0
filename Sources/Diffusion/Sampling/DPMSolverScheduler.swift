import Foundation
import Tensors

/// Multistep exponential integrators of first to third order in log-SNR (Lu et al., 2022, "DPM-Solver"
/// and "DPM-Solver++"; diffusers' `DPMSolverMultistepScheduler`).
///
/// It serves three names: `dpmpp_2m`; `dpmpp_2m_karras` with Karras's sigmas; `dpmpp_2m_sde_karras` with fresh noise
/// at each step as well.
package struct DPMSolverScheduler: Scheduler {
  package let timesteps: [Float]
  package let initialSigma: Float = 1
  /// The last predicted images, as many as the order. The older algorithms keep predicted noise instead.
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
    // The reference refuses the first of these two as well. For the second it computes nothing meaningful.
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

  /// Image and noise are scaled so that their sum has unit deviation.
  package func noised(_ sample: Tensor, noise: Tensor, call: Int) -> Tensor {
    let point = SolverPoint(level: sigmas[call])
    return combine(point.alpha, sample, point.sigma, noise)
  }

  /// One step. The stochastic algorithms draw noise in every step.
  package mutating func step(_ index: Int, output: Tensor, sample: Tensor, noise: () -> Tensor) -> Tensor {
    let solver = configuration.solver
    history.remember(converted(output, sample, SolverPoint(level: sigmas[index])), limit: solver.order)
    // Drawn even where it is not used, to stay in step with the reference's noise stream.
    let fresh = solver.algorithm.isStochastic ? noise() : nil
    // A step of no length changes nothing. The reference would compute 0 / 0.
    guard sigmas[index + 1] != sigmas[index] else { return sample }
    let update = DPMSolverUpdate(
      algorithm: solver.algorithm, kind: solver.kind == .heun ? .heun : .midpoint,
      levels: sigmas, index: index, order: order(index))
    return update(sample, history, fresh)
  }

  /// The order of a step: limited by how many outputs there are, and lower at the end of short renders, where higher
  /// orders overshoot.
  private func order(_ index: Int) -> Int {
    let solver = configuration.solver
    let remaining = timesteps.count - index
    let short = solver.lowerOrderFinal && timesteps.count < 15
    if remaining == 1, solver.eulerAtFinal || short || configuration.sigmas.final == .zero { return 1 }
    return min(history.outputs.count, remaining == 2 && short ? 2 : 3)
  }

  /// The UNet's output, converted to the quantity that the algorithm integrates: image or noise.
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
