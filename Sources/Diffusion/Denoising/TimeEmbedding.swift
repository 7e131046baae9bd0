import Checkpoints
import Foundation
import Layers
import Tensors
import WeightCache

/// Sines and cosines of a number at geometrically spaced frequencies (diffusers' `Timesteps`).
package struct SinusoidalEmbedding: Sendable, Equatable {
  /// Length of an embedding; half of it are sines.
  package let width: Int
  /// Whether cosines come first.
  let cosinesFirst: Bool
  /// With 0 the last frequency is a little above 1/10000, with 1 exactly that (`freq_shift`).
  let frequencyShift: Float

  package init(width: Int, cosinesFirst: Bool, frequencyShift: Float) {
    self.width = width
    self.cosinesFirst = cosinesFirst
    self.frequencyShift = frequencyShift
  }

  /// The embedding of one number, `width` values.
  ///
  /// Computed in 32 bits as in the reference, because at timestep 999 the rounding of the angle matters.
  package func callAsFunction(_ number: Float) -> [Float] {
    let half = width / 2
    let angles = (0..<half).map { index -> Float in
      let exponent = Float(-log(10000.0)) * Float(index) / (Float(half) - frequencyShift)
      return number * exp(exponent)
    }
    let (sines, cosines) = (angles.map { sin($0) }, angles.map { cos($0) })
    let padding = [Float](repeating: 0, count: width % 2)
    return (cosinesFirst ? cosines + sines : sines + cosines) + padding
  }
}

/// Sines and cosines of a guidance scale, for models that were distilled to take it as an input
/// (diffusers' `get_guidance_scale_embedding`).
struct GuidanceEmbedding {
  /// Length of an embedding: first the sines, then as many cosines.
  let width: Int

  /// - Parameter guidance: the guidance scale, less one.
  func callAsFunction(_ guidance: Float) -> [Float] {
    let half = width / 2
    let step = log(Float(10000)) / Float(half - 1)
    let angles = (0..<half).map { 1000 * guidance * exp(Float($0) * -step) }
    return angles.map { sin($0) } + angles.map { cos($0) } + [Float](repeating: 0, count: width % 2)
  }
}

/// Two linear layers with SiLU between them (diffusers' `TimestepEmbedding`).
package struct EmbeddingNetwork: Weighted {
  private let first: Linear
  private let second: Linear

  /// - Throws: `CheckpointError` for missing or misshapen tensors.
  package init(_ weights: Weights, inputs: Int, outputs: Int) throws {
    first = try Linear(weights["linear_1"], inputs: inputs, outputs: outputs)
    second = try Linear(weights["linear_2"], inputs: outputs, outputs: outputs)
  }

  /// Passes the weights of both layers.
  package func withWeights(_ body: (UnsafeRawBufferPointer) -> Void) {
    first.withWeights(body)
    second.withWeights(body)
  }

  package var byteCount: Int { first.byteCount + second.byteCount }

  /// Those of both layers.
  package var settings: [String] { first.settings + second.settings }

  /// `[batch, in]` to `[batch, out]`.
  package func callAsFunction(_ x: Tensor, _ compute: Compute) -> Tensor {
    second(compute.activate(first(x, compute), .silu), compute)
  }
}
