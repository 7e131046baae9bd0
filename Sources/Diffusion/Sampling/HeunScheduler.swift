import Tensors

/// Euler steps, each corrected by the slope at its end (Karras et al., 2022, algorithm 1 without churn; diffusers'
/// `HeunDiscreteScheduler`). Each step takes two UNet calls, the last only one.
package struct HeunScheduler: Scheduler {
  package let timesteps: [Float]
  package let initialSigma: Float
  /// Between the two calls of a step, the first slope and the sample where it was computed; otherwise empty.
  package var history = SchedulerHistory()
  private let configuration: SchedulerConfiguration
  /// The noise level at every call, then the one after the last.
  private let sigmas: [Float]

  /// - Throws: `DiffusionError` for settings and step counts that the method cannot take.
  package init(_ configuration: SchedulerConfiguration, steps: Int) throws {
    let schedule = try SigmaSchedule(
      continuous: configuration, steps: steps,
      trained: configuration.trainedSigmas(.heun, zeroSNR: false), shape: configuration.sigmas.shape())
    self.configuration = configuration
    initialSigma = schedule.initialSigma(configuration.spacing ?? .linspace)
    // Every timestep but the first is called twice: as the end of one step and as the start of the next.
    timesteps = schedule.timesteps.enumerated().flatMap { $0 == 0 ? [$1] : [$1, $1] }
    sigmas = schedule.sigmas.dropLast().enumerated().flatMap { $0 == 0 ? [$1] : [$1, $1] } + [0]
  }

  /// The sample at unit variance, as the UNet was trained to see it.
  package func scaled(_ sample: Tensor, step: Int) -> Tensor {
    scaledInput(sample, sigma: sigmas[step])
  }

  /// 2: a step and its correction.
  package var order: Int { 2 }

  /// The image plus noise of the call's deviation.
  package func noised(_ sample: Tensor, noise: Tensor, call: Int) -> Tensor {
    combine(1, sample, sigmas[call], noise)
  }

  /// One of a step's two calls; `noise` is never drawn.
  package mutating func step(_ index: Int, output: Tensor, sample: Tensor, noise: () -> Tensor) -> Tensor {
    guard let first = history.outputs.first, let start = history.sample else {
      let slope = derivative(output, sample: sample, sigma: sigmas[index])
      history = SchedulerHistory(outputs: [slope], sample: sample)
      return combine(1, sample, sigmas[index + 1] - sigmas[index], slope)
    }
    // The first call went from the level before to this one.
    history = SchedulerHistory()
    let slope = derivative(output, sample: sample, sigma: sigmas[index])
    let half = (sigmas[index] - sigmas[index - 1]) / 2
    return combine((1, start), (half, first), (half, slope))
  }

  private func derivative(_ output: Tensor, sample: Tensor, sigma: Float) -> Tensor {
    guard configuration.clipSample ?? false else {
      return configuration.derivative(output, sample: sample, sigma: sigma)
    }
    let image = configuration.image(output, sample: sample, sigma: sigma)
      .clipped(configuration.clipSampleRange)
    return combine(1 / sigma, sample, -1 / sigma, image)
  }
}
