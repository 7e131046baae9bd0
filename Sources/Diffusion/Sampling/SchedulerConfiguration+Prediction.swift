import Tensors

extension SchedulerConfiguration {
  /// The clean image and the noise that a prediction implies at a noise level.
  func denoised(_ output: Tensor, sample: Tensor, alphaProduct: Float) -> (image: Tensor, noise: Tensor) {
    denoised(output, sample: sample, alpha: alphaProduct.squareRoot(), sigma: (1 - alphaProduct).squareRoot())
  }

  /// The clean image and the noise that a prediction implies, if the sample is `alpha` · image + `sigma` · noise.
  func denoised(
    _ output: Tensor, sample: Tensor, alpha a: Float, sigma b: Float
  ) -> (image: Tensor, noise: Tensor) {
    switch prediction {
    case .epsilon:
      return (combine(1 / a, sample, -b / a, output), output)
    case .sample:
      return (output, combine(1 / b, sample, -a / b, output))
    case .velocity:
      return (combine(a, sample, -b, output), combine(a, output, b, sample))
    }
  }

  /// Limits the values of a predicted image: by thresholding if the file asks for it, else by clipping if file or
  /// class ask for that.
  /// - Parameters:
  ///   - image: the predicted image.
  ///   - clip: the class's default for `clip_sample`.
  func bounded(_ image: Tensor, clip: Bool) -> Tensor {
    if let thresholding { return thresholding(image) }
    return clipSample ?? clip ? image.clipped(clipSampleRange) : image
  }

  /// The clean image that a prediction implies if the sample is image + `sigma` · noise (the methods of Karras et
  /// al.).
  func image(_ output: Tensor, sample: Tensor, sigma: Float) -> Tensor {
    let variance = sigma * sigma + 1
    switch prediction {
    case .epsilon: return combine(1, sample, -sigma, output)
    case .sample: return output
    case .velocity: return combine(-sigma / variance.squareRoot(), output, 1 / variance, sample)
    }
  }

  /// The slope of the probability flow at a noise level: (sample − image) / sigma. Where the prediction gives it
  /// directly, it is not computed from the difference, which would lose digits.
  func derivative(_ output: Tensor, sample: Tensor, sigma: Float) -> Tensor {
    switch prediction {
    case .epsilon: return output
    case .sample: return combine(1 / sigma, sample, -1 / sigma, output)
    case .velocity:
      let variance = sigma * sigma + 1
      return combine(sigma / variance, sample, 1 / variance.squareRoot(), output)
    }
  }

  /// A step along that slope. `change` is the next noise level less this one.
  func moved(_ output: Tensor, sample: Tensor, sigma: Float, change: Float) -> Tensor {
    // The weights are computed in double. From zero signal (σ = 4096) the step cancels nearly all of the sample, and
    // 32 bits would keep only five digits of the rest.
    let (level, step) = (Double(sigma), Double(change))
    switch prediction {
    case .epsilon: return combine(1, sample, change, output)
    case .sample: return combine(Float(1 + step / level), sample, Float(-step / level), output)
    case .velocity:
      let variance = level * level + 1
      return combine(
        Float(1 + step * level / variance), sample, Float(step / variance.squareRoot()), output)
    }
  }

  /// Fails if a step would divide by a signal of zero. With zero terminal SNR the first sample is pure noise, and a
  /// prediction of noise says nothing about the image.
  /// - Throws: `DiffusionError.unsupported`.
  func requireSignal(_ alphaProducts: [Float], at timesteps: [Int]) throws {
    guard prediction == .epsilon, timesteps.contains(where: { alphaProducts[$0] <= 0 }) else { return }
    throw DiffusionError.unsupported(
      file: "scheduler", key: "prediction_type",
      value: "epsilon at a timestep without signal (rescale_betas_zero_snr)")
  }
}

extension SchedulerConfiguration.Prediction {
  /// The clean image that an output implies, if the sample is `alpha` · image + `sigma` · noise, whatever the sum of
  /// their squares.
  func image(_ output: Tensor, sample: Tensor, alpha: Float, sigma: Float) -> Tensor {
    switch self {
    case .epsilon: return combine(1 / alpha, sample, -sigma / alpha, output)
    case .sample: return output
    case .velocity:
      // The velocity is that of the sample at unit deviation.
      let variance = alpha * alpha + sigma * sigma
      return combine(alpha / variance, sample, -sigma / variance.squareRoot(), output)
    }
  }
}
