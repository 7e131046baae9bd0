import Foundation
import Tensors

/// A stochastic multistep predictor in which the next step's output corrects each step (Xue et al., 2023,
/// "SA-Solver"; diffusers' `SASolverScheduler`). Between timesteps 200 and 800 it follows the SDE, elsewhere the ODE.
package struct SASolverScheduler: Scheduler {
  package let timesteps: [Float]
  package let initialSigma: Float = 1
  /// The last predicted images (or predicted noise); the sample that the last prediction started from; the noise that
  /// it added; and the order of the correction to come.
  package var history = SchedulerHistory()
  private let configuration: SchedulerConfiguration
  private let sigmas: [Float]
  private let alphaProducts: [Float]
  /// Whether the solver works on predicted images rather than predicted noise.
  private let predictsImage: Bool

  /// - Throws: `DiffusionError` for settings and step counts that the method cannot take.
  package init(_ configuration: SchedulerConfiguration, steps: Int) throws {
    let algorithm = try configuration.solver.algorithm(
      [.dataPrediction, .noisePrediction], default: .dataPrediction, accepting: [])
    predictsImage = algorithm == .dataPrediction
    // The reference fails at it.
    guard predictsImage || configuration.thresholding == nil else {
      throw DiffusionError.unsupported(
        file: "scheduler", key: "thresholding", value: "true with algorithm_type \(algorithm.rawValue)")
    }
    // diffusers' class supports no zero SNR, and always ends at the smallest sigma.
    let trained = try configuration.trainedSigmas(zeroSNR: false)
    alphaProducts = try configuration.alphaProducts(zeroSNR: false)
    let settings = configuration.sigmas
    let schedule = try SigmaSchedule(
      solver: configuration, steps: steps, trained: trained, shape: settings.shape(), final: .smallest,
      last: settings.visitedSteps(of: trained), rounded: true, shapedEnd: true)
    self.configuration = configuration
    timesteps = schedule.timesteps
    sigmas = schedule.sigmas
  }

  /// Image and noise are weighted by ᾱ at the call's timestep.
  package func noised(_ sample: Tensor, noise: Tensor, call: Int) -> Tensor {
    let alpha = alphaProducts[Int(timesteps[call])]
    return combine(alpha.squareRoot(), sample, (1 - alpha).squareRoot(), noise)
  }

  /// Corrects the last step and takes the next. Noise is drawn in every step.
  package mutating func step(_ index: Int, output: Tensor, sample: Tensor, noise: () -> Tensor) -> Tensor {
    let solver = configuration.solver
    let point = SolverPoint(level: sigmas[index])
    let prediction = configuration.thresholded(output, sample: sample, at: point)
    let value = predictsImage ? prediction.image : prediction.noise
    var corrected = sample
    if let start = history.sample, let last = history.noise {
      corrected = move(index - 1, order: history.order, correcting: true)(
        start, [value] + history.outputs.reversed(), last)
    }
    let known = history.outputs.count
    history.remember(value, limit: max(solver.predictorOrder, solver.correctorOrder - 1))
    let fresh = noise()
    history.sample = corrected
    history.noise = fresh
    let left = solver.lowerOrderFinal ?? true ? timesteps.count - index : Int.max - 1
    history.order = min(solver.correctorOrder, left + 1, known + 2)
    let order = min(solver.predictorOrder, left, known + 1)
    return move(index, order: order, correcting: false)(corrected, history.outputs.reversed(), fresh)
  }

  /// The update of one step.
  /// - Parameters:
  ///   - step: from which level.
  ///   - order: how many outputs are used.
  ///   - correcting: whether the newest output is at the step's end rather than at its start.
  private func move(_ step: Int, order: Int, correcting: Bool) -> SASolverUpdate {
    let newest = correcting ? step + 1 : step
    return SASolverUpdate(
      source: sigmas[step], target: sigmas[step + 1], nodes: (0..<order).map { sigmas[newest - $0] },
      isStochastic: (200...800).contains(timesteps[step]), onImages: predictsImage, isCorrection: correcting)
  }
}
