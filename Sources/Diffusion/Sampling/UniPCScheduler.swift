import Foundation
import Tensors

/// A multistep predictor in which the next step's output corrects each step (Zhao et al., 2023, "UniPC", the B(h)
/// version; diffusers' `UniPCMultistepScheduler`).
package struct UniPCScheduler: Scheduler {
  package let timesteps: [Float]
  package let initialSigma: Float = 1
  /// The last predicted images (or predicted noise), as many as the order; the sample that the last prediction
  /// started from; and that prediction's order.
  package var history = SchedulerHistory()
  private let configuration: SchedulerConfiguration
  private let sigmas: [Float]

  /// - Throws: `DiffusionError` for settings and step counts that the method cannot take.
  package init(_ configuration: SchedulerConfiguration, steps: Int) throws {
    let (settings, solver) = (configuration.sigmas, configuration.solver)
    // In log-SNR the step to zero noise is infinitely long. Only a first-order step on predicted images has a finite
    // result; with other settings the reference computes NaN.
    if settings.final == .zero {
      guard solver.predictsImage else {
        throw DiffusionError.unsupported(
          file: "scheduler", key: "predict_x0", value: "false with final_sigmas_type zero")
      }
      guard solver.lowerOrderFinal ?? true || solver.order == 1 else {
        throw DiffusionError.unsupported(
          file: "scheduler", key: "lower_order_final", value: "false with final_sigmas_type zero")
      }
    }
    let trained = try configuration.trainedSigmas()
    let schedule = try SigmaSchedule(
      solver: configuration, steps: steps, trained: trained, shape: settings.shape(),
      last: trained.count, rounded: true, shapedEnd: true)
    self.configuration = configuration
    timesteps = schedule.timesteps
    sigmas = schedule.sigmas
  }

  /// Image and noise are scaled so that their sum has unit deviation.
  package func noised(_ sample: Tensor, noise: Tensor, call: Int) -> Tensor {
    let point = SolverPoint(level: sigmas[call])
    return combine(point.alpha, sample, point.sigma, noise)
  }

  /// Corrects the last step and takes the next; `noise` is never drawn.
  package mutating func step(_ index: Int, output: Tensor, sample: Tensor, noise: () -> Tensor) -> Tensor {
    let solver = configuration.solver
    let point = SolverPoint(level: sigmas[index])
    let prediction = configuration.denoised(output, sample: sample, alpha: point.alpha, sigma: point.sigma)
    let value: Tensor
    if solver.predictsImage {
      value = configuration.thresholding?(prediction.image) ?? prediction.image
    } else {
      value = prediction.noise
    }
    var corrected = sample
    if index > 0, let start = history.sample, !solver.uncorrected.contains(index - 1) {
      corrected = moved(start, from: index - 1, order: history.order, end: value)
    }
    history.remember(value, limit: solver.order)
    let limit = solver.lowerOrderFinal ?? true ? timesteps.count - index : solver.order
    history.order = min(solver.order, limit, history.outputs.count)
    history.sample = corrected
    return moved(corrected, from: index, order: history.order, end: nil)
  }

  /// The sample one step on.
  /// - Parameters:
  ///   - index: the step that starts at the newest output in the history.
  ///   - end: the output at the step's end, for correcting; nil for predicting.
  private func moved(_ sample: Tensor, from index: Int, order: Int, end: Tensor?) -> Tensor {
    let (target, source) = (SolverPoint(level: sigmas[index + 1]), SolverPoint(level: sigmas[index]))
    // A step of no length changes nothing. The reference would compute 0 / 0.
    guard sigmas[index + 1] != sigmas[index] else { return sample }
    let h = target.lambda - source.lambda
    let onImages = configuration.solver.predictsImage
    let signed = onImages ? -h : h
    let gain = expm1(signed)
    let unit = onImages ? target.alpha : target.sigma
    let newest = history.output(0)
    var terms: [(weight: Float, tensor: Tensor)] = [
      (onImages ? target.sigma / source.sigma : target.alpha / source.alpha, sample),
      (-(unit * gain), newest),
    ]
    guard order > 1 || end != nil else { return combine(terms) }
    let scale = unit * (configuration.solver.kind == .bh1 ? signed : gain)
    var ratios = (1..<order).map { (SolverPoint(level: sigmas[index - $0]).lambda - source.lambda) / h }
    let differences = ratios.enumerated().map { age, ratio in
      combine(1 / ratio, history.output(age + 1), -1 / ratio, newest)
    }
    ratios.append(1)
    let weights = weights(ratios, signed: signed, predicting: end == nil)
    for (weight, difference) in zip(weights, differences) { terms.append((-(scale * weight), difference)) }
    if let end, let weight = weights.last {
      terms.append((-(scale * weight), combine(1, end, -1, newest)))
    }
    return combine(terms)
  }

  /// The weights of the differences, chosen so that the step is exact for polynomials up to the order.
  private func weights(_ ratios: [Float], signed: Float, predicting: Bool) -> [Float] {
    let order = ratios.count
    // The reference uses this constant instead of solving.
    if order == (predicting ? 2 : 1) { return [0.5] }
    let scale = configuration.solver.kind == .bh1 ? signed : expm1(signed)
    var moment = expm1(signed) / signed - 1
    var factorial: Float = 1
    var (rows, moments): ([[Float]], [Float]) = ([], [])
    for power in 0..<order {
      rows.append(ratios.map { base in (0..<power).reduce(1) { product, _ in product * base } })
      moments.append(moment * factorial / scale)
      factorial *= Float(power + 2)
      moment = moment / signed - 1 / factorial
    }
    guard predicting else { return solve(rows, moments) }
    return solve(rows.dropLast().map { Array($0.dropLast()) }, moments.dropLast())
  }

  /// Solves a small linear system by Gaussian elimination with pivoting.
  private func solve(_ rows: [[Float]], _ right: [Float]) -> [Float] {
    var system = zip(rows, right).map { row, value in row + [value] }
    let count = system.count
    for column in 0..<count {
      let pivot = (column..<count).max { abs(system[$0][column]) < abs(system[$1][column]) } ?? column
      system.swapAt(column, pivot)
      for row in 0..<count where row != column {
        let factor = system[row][column] / system[column][column]
        for place in column...count { system[row][place] -= factor * system[column][place] }
      }
    }
    return (0..<count).map { system[$0][count] / system[$0][$0] }
  }
}
