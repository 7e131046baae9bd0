import Tensors

/// Multistep exponential integrators of first to third order in log-SNR (Lu et al., 2022, "DPM-Solver"
/// and "DPM-Solver++"; diffusers' `DPMSolverMultistepScheduler`).
///
/// It serves four names: `dpmpp_2m`, `dpmpp_2m_sde` with fresh noise at each step, and both with Karras's sigmas.
package struct DPMSolverScheduler: Scheduler {
  package let timesteps: [Float]
  package let initialSigma: Float = 1
  /// The last predicted images, as many as the order. The older algorithms keep predicted noise instead.
  package var history = SchedulerHistory()
  private let configuration: SchedulerConfiguration
  private let equation: DPMSolverEquation
  private let sigmas: [Float]

  /// - Throws: `DiffusionError` for settings and step counts that the method cannot take.
  package init(_ configuration: SchedulerConfiguration, steps: Int) throws {
    equation = try DPMSolverEquation(
      configuration, knowing: [.noise, .image, .stochasticNoise, .stochasticImage])
    // The reference computes nothing meaningful for these.
    guard equation != .stochasticNoise || configuration.solver.order < 3 else {
      throw equation.refusal(of: "solver_order", "3")
    }
    let trained = try configuration.trainedSigmas()
    let schedule = try SigmaSchedule(
      solver: configuration, steps: steps, trained: trained, shape: configuration.sigmas.shape(knowsLu: true),
      last: configuration.sigmas.visitedSteps(of: trained), rounded: configuration.betas.curve != .cosine,
      shapedEnd: false)
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
    let source = SolverPoint(level: sigmas[index])
    history.remember(
      equation.integrand(configuration, output, sample: sample, at: source), limit: solver.order)
    let fresh = equation.isStochastic ? noise() : nil
    // A step of no length (both ends at the smallest sigma) changes nothing. The reference would compute 0 / 0.
    guard sigmas[index + 1] != sigmas[index] else { return sample }
    let order = solver.multistepOrder(
      index, of: timesteps.count, outputs: history.outputs.count,
      endsFirst: solver.eulerAtFinal || configuration.sigmas.final == .zero)
    let update = DPMSolverUpdate(
      equation: equation, kind: solver.kind == .heun ? .heun : .midpoint,
      target: SolverPoint(level: sigmas[index + 1]),
      sources: (0..<order).map { SolverPoint(level: sigmas[index - $0]) })
    return update(sample, history, fresh)
  }
}
