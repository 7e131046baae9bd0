import Tensors

/// Steps by the slope at their middle, to which an Euler step leads (Karras et al., 2022, algorithm 2 without churn,
/// with the middle of DPM-Solver-2; diffusers' `KDPM2DiscreteScheduler`). Each step takes two UNet calls, the last
/// only one.
///
/// The ancestral form removes more noise than needed and then adds fresh noise (Katherine Crowson's k-diffusion,
/// `sample_dpm_2_ancestral`; diffusers' `KDPM2AncestralDiscreteScheduler`).
package struct KDPM2Scheduler: Scheduler {
  package let timesteps: [Float]
  package let initialSigma: Float
  /// Between the two calls of a step, the sample where it began; otherwise empty.
  package var history = SchedulerHistory()
  private let configuration: SchedulerConfiguration
  private let schedule: MidpointSchedule
  private let isAncestral: Bool

  /// - Throws: `DiffusionError` for settings and step counts that the method cannot take.
  package init(_ configuration: SchedulerConfiguration, steps: Int, isAncestral: Bool) throws {
    let (steps, trained) = try configuration.midpointSteps(
      steps, method: isAncestral ? "kdpm2_a" : "kdpm2", rounded: true)
    schedule = try MidpointSchedule(steps, trained: trained) {
      isAncestral ? AncestralStep(from: $0, to: $1).down : $1
    }
    self.isAncestral = isAncestral
    self.configuration = configuration
    initialSigma = steps.initialSigma(configuration.spacing ?? .linspace)
    timesteps = schedule.timesteps
  }

  /// 2: a step's start and its middle.
  package var order: Int { 2 }

  /// The sample at unit variance, as the UNet was trained to see it.
  package func scaled(_ sample: Tensor, step: Int) -> Tensor {
    scaledInput(sample, sigma: schedule.level(at: step))
  }

  /// The image plus noise of the call's deviation.
  package func noised(_ sample: Tensor, noise: Tensor, call: Int) -> Tensor {
    combine(1, sample, schedule.noisedLevel(at: call), noise)
  }

  /// The image without the noise of the sample's own level, which a middle has too.
  package func image(
    _ output: Tensor, sample: Tensor, call: Int, _ prediction: SchedulerConfiguration.Prediction
  ) -> Tensor {
    prediction.image(output, sample: sample, alpha: 1, sigma: schedule.level(at: call))
  }

  /// One of a step's two calls. Only the second of the ancestral form draws noise.
  package mutating func step(_ index: Int, output: Tensor, sample: Tensor, noise: () -> Tensor) -> Tensor {
    let step = index / 2
    let level = schedule.level(at: index)
    guard index % 2 == 1, let start = history.sample else {
      if step + 1 < schedule.middles.count { history.sample = sample }
      return configuration.moved(
        output, sample: sample, sigma: level, change: schedule.middles[step] - level)
    }
    history.sample = nil
    let slope = configuration.derivative(output, sample: sample, sigma: level)
    let (from, to) = (schedule.levels[step], schedule.levels[step + 1])
    guard isAncestral else { return combine(1, start, to - from, slope) }
    let move = AncestralStep(from: from, to: to)
    return combine((1, start), (move.down - from, slope), (move.up, noise()))
  }
}

extension SchedulerConfiguration {
  /// The steps of a method that goes to their middles, and the training schedule's sigmas.
  /// - Parameters:
  ///   - steps: how many.
  ///   - method: its name, for messages.
  ///   - rounded: whether timesteps of Karras's shape are rounded.
  ///   - limited: whether `sigma_min` and `sigma_max` limit Karras's shape.
  /// - Throws: `DiffusionError` for settings and step counts that the method cannot take.
  func midpointSteps(_ steps: Int, method: String, rounded: Bool, limited: Bool = true) throws -> (
    SigmaSchedule, [Float]
  ) {
    guard prediction != .sample else {
      throw DiffusionError.unsupported(
        file: "scheduler", key: "prediction_type", value: "sample with \(method)")
    }
    let trained = try trainedSigmas(.midpoint, zeroSNR: false)
    let schedule = try SigmaSchedule(
      continuous: self, steps: steps, trained: trained, shape: sigmas.shape(), limited: limited,
      rounded: rounded)
    return (schedule, trained)
  }
}
