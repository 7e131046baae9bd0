import Tensors

/// The steps of `KDPM2Scheduler`, which remove more noise than needed and then add fresh noise (Katherine Crowson's
/// k-diffusion, `sample_dpm_2_ancestral`; diffusers' `KDPM2AncestralDiscreteScheduler`).
package struct KDPM2AncestralScheduler: Scheduler {
  package let timesteps: [Float]
  package let initialSigma: Float
  /// Between the two calls of a step, the sample where it began; otherwise empty.
  package var history = SchedulerHistory()
  private let configuration: SchedulerConfiguration
  private let schedule: MidpointSchedule

  /// - Throws: `DiffusionError` for settings and step counts that the method cannot take.
  package init(_ configuration: SchedulerConfiguration, steps: Int) throws {
    let (steps, trained) = try configuration.midpointSteps(steps, method: "kdpm2_a", rounded: true)
    schedule = try MidpointSchedule(steps, trained: trained) { AncestralStep(from: $0, to: $1).down }
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

  /// One of a step's two calls. The second draws noise.
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
    let move = AncestralStep(from: schedule.levels[step], to: schedule.levels[step + 1])
    return combine((1, start), (move.down - schedule.levels[step], slope), (move.up, noise()))
  }
}

/// How a step from one noise level to the next is divided: first down below it, then up again by fresh noise.
struct AncestralStep {
  /// The level below.
  let down: Float
  /// The deviation of the fresh noise.
  let up: Float

  /// - Parameters:
  ///   - from: the step's noise level, above 0.
  ///   - to: the next one, lower.
  init(from: Float, to: Float) {
    up = (to * to * (from * from - to * to) / (from * from)).squareRoot()
    // If `from` is far larger, the difference may be rounded below 0.
    down = max(0, to * to - up * up).squareRoot()
  }
}
