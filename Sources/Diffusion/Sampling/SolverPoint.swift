import Foundation
import Tensors

/// A noise level as the multistep solvers (DPM-Solver, UniPC) see it, in 32 bits as torch computes it.
struct SolverPoint {
  /// The image's share of a sample.
  let alpha: Float
  /// The noise's share of a sample.
  let sigma: Float
  /// Half the logarithm of the signal-to-noise ratio; infinite without noise.
  let lambda: Float

  /// - Parameter level: the noise's deviation where the image's is 1.
  init(level: Float) {
    alpha = 1 / (level * level + 1).squareRoot()
    sigma = level * alpha
    lambda = log(alpha) - log(sigma)
  }
}
