import Foundation
import Tensors

/// How EDM scales a network's inputs and outputs, and its noise levels (Karras et al., 2022, table 1; diffusers'
/// `EDMEulerScheduler`). Samples are image + noise; the network sees them at unit deviation.
struct EDMPreconditioning: Sendable {
  /// Deviation of the image.
  private let data: Float
  /// 1 if the network predicts noise, −1 if velocity.
  private let sign: Float

  /// - Parameter method: its name, for messages.
  /// - Throws: `DiffusionError.unsupported` for a prediction that EDM's classes do not know.
  init(_ configuration: SchedulerConfiguration, method: String) throws {
    data = Float(configuration.sigmas.data)
    switch configuration.prediction {
    case .epsilon: sign = 1
    case .velocity: sign = -1
    case .sample:
      throw DiffusionError.unsupported(
        file: "scheduler", key: "prediction_type", value: "sample with \(method)")
    }
  }

  /// The sample as the network was trained to see it.
  func scaled(_ sample: Tensor, level: Float) -> Tensor {
    combine(1 / (level * level + data * data).squareRoot(), sample, 0, sample)
  }

  /// The clean image that a prediction implies.
  func image(_ output: Tensor, sample: Tensor, level: Float) -> Tensor {
    let variance = level * level + data * data
    return combine(data * data / variance, sample, sign * level * data / variance.squareRoot(), output)
  }

  /// The timestep of a level: a quarter of its logarithm.
  static func timestep(of level: Float) -> Float { 0.25 * log(level) }
}

/// EDM's noise levels of one render. They do not depend on a training schedule.
struct EDMSchedule: Sendable {
  /// The level at each step, then the one after the last.
  let levels: [Float]
  /// Deviation of the noise that a render starts from.
  let initialSigma: Float

  /// - Parameters:
  ///   - settings: the settings of the scheduler's file.
  ///   - steps: how many.
  ///   - isDouble: whether Karras's shape is computed in 64 bits, as in `EDMEulerScheduler`, or in 32.
  init(_ settings: SigmaSettings, steps: Int, isDouble: Bool) {
    // EDM's defaults.
    let (smallest, largest) = (settings.smallest ?? 0.002, settings.largest ?? 80)
    let levels: [Float]
    switch settings.edmShape {
    case .karras:
      let (first, last) = (pow(largest, 1 / settings.rho), pow(smallest, 1 / settings.rho))
      levels = BetaSchedule.linspace(0, 1, steps).enumerated().map { step, ramp in
        guard isDouble else { return pow(Float(first) + ramp * Float(last - first), Float(settings.rho)) }
        let ramp = steps == 1 ? 0 : Double(step) / Double(steps - 1)
        return Float(pow(first + ramp * (last - first), settings.rho))
      }
    case .exponential:
      let logarithms = BetaSchedule.linspace(Float(log(smallest)), Float(log(largest)), steps)
      levels = logarithms.reversed().map { exp($0) }
    }
    let end: Float
    switch settings.final {
    case .zero: end = 0
    case .smallest: end = isDouble ? levels[steps - 1] : Float(smallest)
    }
    self.levels = levels + [end]
    initialSigma = Float((largest * largest + 1).squareRoot())
  }

  /// The timestep of each step.
  var timesteps: [Float] { levels.dropLast().map(EDMPreconditioning.timestep(of:)) }
}
