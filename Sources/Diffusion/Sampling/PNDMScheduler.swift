import Tensors

/// Pseudo linear multistep sampling, which may start with Runge–Kutta steps (Liu et al., 2022, formulas 9, 12, 13;
/// diffusers' `PNDMScheduler`).
package struct PNDMScheduler: Scheduler {
  package let timesteps: [Float]
  package let initialSigma: Float = 1
  /// The last four outputs. Within a step of several calls, also the sample that it started from and the sum of its
  /// slopes so far.
  package var history = SchedulerHistory()
  private let configuration: SchedulerConfiguration
  private let alphaProducts: [Float]
  /// Training timesteps from one step to the next.
  private let stride: Int
  /// The timesteps of the Runge–Kutta calls at the start; empty if they are skipped.
  private let prelude: [Int]

  /// - Throws: `DiffusionError` for settings and step counts that the method cannot take.
  package init(_ configuration: SchedulerConfiguration, steps: Int) throws {
    guard configuration.prediction != .sample else {
      throw DiffusionError.unsupported(file: "scheduler", key: "prediction_type", value: "sample with pndm")
    }
    self.configuration = configuration
    // diffusers' class does not support zero SNR.
    alphaProducts = try configuration.alphaProducts(zeroSNR: false)
    let times = try configuration.timesteps(steps, configuration.spacing ?? .leading)
    stride = configuration.trainingSteps / steps
    let calls: [Int]
    if configuration.skipsRungeKutta ?? false {
      prelude = []
      // The second timestep is called twice: the first step is repeated with the mean of two slopes.
      calls = times.count > 1 ? [times[0], times[1]] + times[1...] : times
    } else {
      guard steps >= 4 else {
        throw DiffusionError.setting(
          name: "steps", value: "\(steps)", allowed: "4 or more with pndm and skip_prk_steps false")
      }
      prelude = Self.rungeKutta(times, half: stride / 2)
      calls = prelude + times.dropFirst(3)
    }
    timesteps = calls.map { Float($0) }
    let moves = timesteps.indices.map { move(call: $0, after: $0) }
    let trained = configuration.trainingSteps
    guard moves.allSatisfy({ (0..<trained).contains($0.from) && $0.to < trained }) else {
      throw DiffusionError.setting(name: "steps", value: "\(steps)", allowed: "fewer with this scheduler")
    }
    try configuration.requireSignal(alphaProducts, at: moves.map(\.from))
  }

  /// The training timesteps between which a call moves the sample. A target below 0 means the end.
  /// - Parameters:
  ///   - call: the index in `timesteps`.
  ///   - calls: how many calls this render has made. A render from a picture starts late, so it may differ from
  ///     `call`.
  private func move(call: Int, after calls: Int) -> (from: Int, to: Int) {
    let time = Int(timesteps[call])
    if calls < prelude.count {
      return (from: prelude[calls / 4 * 4], to: calls % 2 == 0 ? time - stride / 2 : time)
    }
    return prelude.isEmpty && calls == 1 ? (from: time + stride, to: time) : (from: time, to: time - stride)
  }

  /// The timesteps of three Runge–Kutta steps: each step's start, its middle twice, its end.
  private static func rungeKutta(_ times: [Int], half: Int) -> [Int] {
    (0..<3).flatMap { step in
      let middle = times[step + 1] + half
      return [times[step], middle, middle, times[step + 1]]
    }
  }

  /// Image and noise are weighted by ᾱ at the call's timestep.
  package func noised(_ sample: Tensor, noise: Tensor, call: Int) -> Tensor {
    let alpha = alphaProducts[Int(timesteps[call])]
    return combine(alpha.squareRoot(), sample, (1 - alpha).squareRoot(), noise)
  }

  /// One call of a step; `noise` is never drawn.
  package mutating func step(_ index: Int, output: Tensor, sample: Tensor, noise: () -> Tensor) -> Tensor {
    defer { history.calls += 1 }
    if history.calls < prelude.count { return rungeKuttaStep(index, output, sample) }
    var start = sample
    let slope: Tensor
    if history.calls == 1, let last = history.outputs.last {
      slope = combine(0.5, output, 0.5, last)
      start = history.sample ?? sample
      history.sample = nil
    } else {
      history.remember(output, limit: 4)
      slope = history.adamsBashforth
      history.sample = history.calls == 0 ? sample : nil
    }
    return moved(start, slope, move(call: index, after: history.calls))
  }

  /// One of the four calls of a Runge–Kutta step.
  private mutating func rungeKuttaStep(_ index: Int, _ output: Tensor, _ sample: Tensor) -> Tensor {
    var slope = output
    switch history.calls % 4 {
    case 0:
      history.sum = combine(1 / 6, output, 0, output)
      history.remember(output, limit: 4)
      history.sample = sample
    case 3:
      slope = combine(1, history.sum ?? output, 1 / 6, output)
      history.sum = nil
    default:
      history.sum = combine(1, history.sum ?? output, 1 / 3, output)
    }
    return moved(history.sample ?? sample, slope, move(call: index, after: history.calls))
  }

  /// Formula 9.
  private func moved(_ sample: Tensor, _ output: Tensor, _ move: (from: Int, to: Int)) -> Tensor {
    let alpha = alphaProducts[move.from]
    let final = configuration.setAlphaToOne ?? false ? 1 : alphaProducts[0]
    let next = move.to >= 0 ? alphaProducts[move.to] : final
    let noise = configuration.denoised(output, sample: sample, alphaProduct: alpha).noise
    let divisor = alpha * (1 - next).squareRoot() + (alpha * (1 - alpha) * next).squareRoot()
    return combine((next / alpha).squareRoot(), sample, -(next - alpha) / divisor, noise)
  }
}
