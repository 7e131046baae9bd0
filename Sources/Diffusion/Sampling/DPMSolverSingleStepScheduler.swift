import Tensors

/// Single-step exponential integrators of first to third order in log-SNR: groups of one to three steps, each of
/// which starts anew where its group began (Lu et al., 2022; diffusers' `DPMSolverSinglestepScheduler`).
package struct DPMSolverSingleStepScheduler: Scheduler {
  package let timesteps: [Float]
  package let initialSigma: Float = 1
  /// The last predicted images (or predicted noise), as many as the order, and the sample at which the group began.
  package var history = SchedulerHistory()
  private let configuration: SchedulerConfiguration
  private let equation: DPMSolverEquation
  private let sigmas: [Float]
  /// The order of each step.
  private let orders: [Int]

  /// - Throws: `DiffusionError` for settings and step counts that the method cannot take.
  package init(_ configuration: SchedulerConfiguration, steps: Int) throws {
    let (settings, solver) = (configuration.sigmas, configuration.solver)
    equation = try DPMSolverEquation(configuration, knowing: [.noise, .image, .stochasticImage])
    // The reference fails at these.
    guard !equation.predictsNoise || configuration.thresholding == nil else {
      throw equation.refusal(of: "thresholding", "true")
    }
    // diffusers' class supports neither zero SNR nor other spacings.
    let trained = try configuration.trainedSigmas(zeroSNR: false)
    let schedule = try SigmaSchedule(
      solver: configuration, steps: steps, trained: trained, shape: settings.shape(), spacing: .linspace,
      last: settings.visitedSteps(of: trained), rounded: true, shapedEnd: false)
    self.configuration = configuration
    timesteps = schedule.timesteps
    sigmas = schedule.sigmas
    orders = Self.orders(
      steps, order: solver.order, lowerFinal: solver.lowerOrderFinal ?? false,
      endsAtZero: settings.final == .zero)
  }

  /// The order of each step (diffusers' `get_order_list`).
  private static func orders(_ steps: Int, order: Int, lowerFinal: Bool, endsAtZero: Bool) -> [Int] {
    // A number of steps that makes no whole groups, and an end without noise, need lower orders at the end.
    let groups = steps / order
    var orders: [Int]
    switch (lowerFinal || steps % order != 0 || endsAtZero, order, steps % order) {
    case (true, 3, 0): orders = repeated([1, 2, 3], groups - 1) + [1, 2, 1]
    case (true, 3, 1): orders = repeated([1, 2, 3], groups) + [1]
    case (true, 3, _): orders = repeated([1, 2, 3], groups) + [1, 2]
    case (true, 2, 0): orders = repeated([1, 2], groups - 1) + [1, 1]
    case (true, 2, _): orders = repeated([1, 2], groups) + [1]
    default: orders = repeated(Array(1...order), groups)
    }
    if endsAtZero { orders[orders.count - 1] = 1 }
    return orders
  }

  private static func repeated(_ group: [Int], _ count: Int) -> [Int] {
    Array(repeatElement(group, count: max(0, count)).joined())
  }

  /// Image and noise are scaled so that their sum has unit deviation.
  package func noised(_ sample: Tensor, noise: Tensor, call: Int) -> Tensor {
    let point = SolverPoint(level: sigmas[call])
    return combine(point.alpha, sample, point.sigma, noise)
  }

  /// One step. The stochastic algorithm draws noise in every step.
  package mutating func step(_ index: Int, output: Tensor, sample: Tensor, noise: () -> Tensor) -> Tensor {
    let source = SolverPoint(level: sigmas[index])
    history.remember(
      equation.integrand(configuration, output, sample: sample, at: source), limit: configuration.solver.order
    )
    let fresh = equation.isStochastic ? noise() : nil
    // A render from a picture may begin within a group. Then there are too few outputs for the order.
    let order = min(orders[index], history.outputs.count)
    if order == 1 { history.sample = sample }
    let update = DPMSolverUpdate(
      equation: equation, kind: configuration.solver.kind == .heun ? .heun : .midpoint,
      target: SolverPoint(level: sigmas[index + 1]),
      sources: (0..<order).map { SolverPoint(level: sigmas[index - $0]) }, isSingle: true)
    return update(history.sample ?? sample, history, fresh)
  }
}
