import Foundation
import Tensors

/// A noise level in the terms of the solvers in log-SNR (DPM-Solver, DEIS, UniPC, SA-Solver), computed in 32 bits as
/// torch does.
struct SolverPoint {
  /// The image's factor in a sample.
  let alpha: Float
  /// The noise's factor in a sample.
  let sigma: Float
  /// Half the logarithm of the signal-to-noise ratio; infinite without noise.
  let lambda: Float

  /// A level of samples that are kept at unit deviation.
  /// - Parameter level: deviation of the noise if the image's is 1.
  init(level: Float) {
    alpha = 1 / (level * level + 1).squareRoot()
    sigma = level * alpha
    lambda = log(alpha) - log(sigma)
  }

  /// A level of samples that are image + noise (EDM).
  /// - Parameter level: the noise's deviation.
  init(unscaled level: Float) {
    alpha = 1
    sigma = level
    lambda = -log(level)
  }
}
