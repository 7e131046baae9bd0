import Tensors

/// A linear multistep method of up to four slopes (Katherine Crowson's k-diffusion, `sample_lms`;
/// diffusers' `LMSDiscreteScheduler`).
package struct LMSScheduler: Scheduler {
  package let timesteps: [Float]
  package let initialSigma: Float
  /// The last four slopes.
  package var history = SchedulerHistory()
  private let configuration: SchedulerConfiguration
  private let sigmas: [Float]
  private static let order = 4

  /// - Throws: `DiffusionError` for settings and step counts that the method cannot take.
  package init(_ configuration: SchedulerConfiguration, steps: Int) throws {
    let schedule = try SigmaSchedule(
      continuous: configuration, steps: steps, trained: configuration.trainedSigmas(zeroSNR: false),
      shape: configuration.sigmas.shape(), limited: false)
    try schedule.requireFalling(steps)
    self.configuration = configuration
    timesteps = schedule.timesteps
    sigmas = schedule.sigmas
    initialSigma = schedule.initialSigma(configuration.spacing ?? .linspace)
  }

  /// The sample at unit variance, as the UNet was trained to see it.
  package func scaled(_ sample: Tensor, step: Int) -> Tensor {
    scaledInput(sample, sigma: sigmas[step])
  }

  /// The image plus noise of the call's deviation.
  package func noised(_ sample: Tensor, noise: Tensor, call: Int) -> Tensor {
    combine(1, sample, sigmas[call], noise)
  }

  /// One multistep step; `noise` is never drawn.
  package mutating func step(_ index: Int, output: Tensor, sample: Tensor, noise: () -> Tensor) -> Tensor {
    history.remember(
      configuration.derivative(output, sample: sample, sigma: sigmas[index]), limit: Self.order)
    let order = min(index + 1, Self.order)
    var terms: [(weight: Float, tensor: Tensor)] = [(1, sample)]
    for age in 0..<min(order, history.outputs.count) {
      terms.append((Float(coefficient(index, order: order, age: age)), history.output(age)))
    }
    return combine(terms)
  }

  /// The integral over the step of the Lagrange polynomial that is 1 at one past noise level and 0 at the others.
  private func coefficient(_ index: Int, order: Int, age: Int) -> Double {
    func weight(_ sigma: Double) -> Double {
      var product = 1.0
      for other in 0..<order where other != age {
        let level = Double(sigmas[index - other])
        product *= (sigma - level) / (Double(sigmas[index - age]) - level)
      }
      return product
    }
    // The polynomial's degree is at most 3, for which Gauss's rule of two points is exact. The reference integrates
    // numerically.
    let (start, end) = (Double(sigmas[index]), Double(sigmas[index + 1]))
    let (middle, half) = ((start + end) / 2, (end - start) / 2)
    let offset = half / 3.0.squareRoot()
    return half * (weight(middle - offset) + weight(middle + offset))
  }
}
