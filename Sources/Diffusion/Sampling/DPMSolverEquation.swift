import Tensors

/// The equation that DPM-Solver integrates (Lu et al., 2022).
enum DPMSolverEquation: Sendable {
  /// Probability flow ODE in terms of predicted noise (DPM-Solver).
  case noise
  /// Probability flow ODE in terms of the predicted image (DPM-Solver++).
  case image
  /// Reverse diffusion SDE in terms of predicted noise.
  case stochasticNoise
  /// Reverse diffusion SDE in terms of the predicted image.
  case stochasticImage

  /// The equation of a file's algorithm. Those of other solvers count as DPM-Solver++, as in the reference.
  init(_ algorithm: SolverSettings.Algorithm) {
    self =
      switch algorithm {
      case .noise: .noise
      case .stochasticNoise: .stochasticNoise
      case .stochasticImage: .stochasticImage
      case .image, .deis, .dataPrediction, .noisePrediction: .image
      }
  }

  /// The equation of a scheduler's file.
  /// - Parameters:
  ///   - configuration: the file.
  ///   - known: the algorithms that the class knows.
  /// - Throws: `DiffusionError.unsupported` for another algorithm, an order above three, and predicted noise at an end
  ///   without noise.
  init(_ configuration: SchedulerConfiguration, knowing known: Set<SolverSettings.Algorithm>) throws {
    let order = configuration.solver.order
    guard order <= 3 else {
      throw DiffusionError.unsupported(file: "scheduler", key: "solver_order", value: "\(order)")
    }
    self.init(try configuration.solver.algorithm(known, default: .image))
    // The reference refuses this too.
    guard !predictsNoise || configuration.sigmas.final != .zero else {
      throw refusal(of: "final_sigmas_type", "zero")
    }
  }

  /// The refusal of a setting that does not go with this equation.
  func refusal(of key: String, _ value: String) -> DiffusionError {
    let algorithm: SolverSettings.Algorithm =
      switch self {
      case .noise: .noise
      case .image: .image
      case .stochasticNoise: .stochasticNoise
      case .stochasticImage: .stochasticImage
      }
    return .unsupported(
      file: "scheduler", key: key, value: "\(value) with algorithm_type \(algorithm.rawValue)")
  }

  /// Whether fresh noise is added at each step.
  var isStochastic: Bool { self == .stochasticNoise || self == .stochasticImage }
  /// Whether the solver works on predicted noise.
  var predictsNoise: Bool { self == .noise || self == .stochasticNoise }

  /// The UNet's output, converted to the quantity that is integrated: image or noise.
  func integrand(
    _ configuration: SchedulerConfiguration, _ output: Tensor, sample: Tensor, at point: SolverPoint
  ) -> Tensor {
    let prediction = configuration.thresholded(output, sample: sample, at: point)
    return predictsNoise ? prediction.noise : prediction.image
  }
}

extension SchedulerConfiguration {
  /// The clean image and the noise that a prediction implies at a noise level. If the file asks for thresholding,
  /// the image is thresholded and the noise is what it leaves.
  func thresholded(_ output: Tensor, sample: Tensor, at point: SolverPoint) -> (image: Tensor, noise: Tensor)
  {
    let prediction = denoised(output, sample: sample, alpha: point.alpha, sigma: point.sigma)
    guard let thresholding else { return prediction }
    let image = thresholding(prediction.image)
    return (image, combine(1 / point.sigma, sample, -point.alpha / point.sigma, image))
  }
}
