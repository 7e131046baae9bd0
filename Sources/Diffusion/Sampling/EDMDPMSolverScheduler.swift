import Tensors

/// DPM-Solver++ with EDM's scalings, for models that were trained with them (Playground 2.5; diffusers'
/// `EDMDPMSolverMultistepScheduler`).
package struct EDMDPMSolverScheduler: Scheduler {
  package let timesteps: [Float]
  package let initialSigma: Float
  /// The last predicted images, as many as the order.
  package var history = SchedulerHistory()
  private let configuration: SchedulerConfiguration
  private let equation: DPMSolverEquation
  private let scaling: EDMPreconditioning
  private let levels: [Float]

  /// - Throws: `DiffusionError` for settings that the method cannot take.
  package init(_ configuration: SchedulerConfiguration, steps: Int) throws {
    let solver = configuration.solver
    let algorithm = try solver.algorithm([.image, .stochasticImage], default: .image)
    equation = DPMSolverEquation(algorithm)
    // The reference has no stochastic update of third order.
    guard solver.order <= (equation.isStochastic ? 2 : 3) else {
      throw DiffusionError.unsupported(
        file: "scheduler", key: "solver_order", value: "\(solver.order) with \(algorithm.rawValue)")
    }
    self.configuration = configuration
    scaling = try EDMPreconditioning(configuration, method: "edm_dpmpp_2m")
    let schedule = EDMSchedule(configuration.sigmas, steps: steps, isDouble: false)
    levels = schedule.levels
    timesteps = schedule.timesteps
    initialSigma = schedule.initialSigma
  }

  /// The sample at unit variance, as the UNet was trained to see it.
  package func scaled(_ sample: Tensor, step: Int) -> Tensor { scaling.scaled(sample, level: levels[step]) }

  /// The image plus noise of the call's deviation.
  package func noised(_ sample: Tensor, noise: Tensor, call: Int) -> Tensor {
    combine(1, sample, levels[call], noise)
  }

  /// The image as EDM's scalings have it.
  package func image(
    _ output: Tensor, sample: Tensor, call: Int, _ prediction: SchedulerConfiguration.Prediction
  ) -> Tensor {
    scaling.image(output, sample: sample, level: levels[call])
  }

  /// One step. The stochastic algorithm draws noise in every step.
  package mutating func step(_ index: Int, output: Tensor, sample: Tensor, noise: () -> Tensor) -> Tensor {
    let solver = configuration.solver
    let image = scaling.image(output, sample: sample, level: levels[index])
    history.remember(configuration.thresholding?(image) ?? image, limit: solver.order)
    let fresh = equation.isStochastic ? noise() : nil
    // A step of no length changes nothing. The reference would compute 0 / 0.
    guard levels[index + 1] != levels[index] else { return sample }
    let order = solver.multistepOrder(
      index, of: timesteps.count, outputs: history.outputs.count,
      endsFirst: solver.eulerAtFinal || configuration.sigmas.final == .zero)
    let update = DPMSolverUpdate(
      equation: equation, kind: solver.kind == .heun ? .heun : .midpoint,
      target: SolverPoint(unscaled: levels[index + 1]),
      sources: (0..<order).map { SolverPoint(unscaled: levels[index - $0]) })
    return update(sample, history, fresh)
  }
}
