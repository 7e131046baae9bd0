import Checkpoints
import Tensors

/// Gated feed-forward network of a transformer block (diffusers' `FeedForward` with GEGLU).
package struct FeedForward: Layer {
  private let expand: Linear
  private let contract: Linear

  /// Reads `net.0.proj` `[8·width, width]` and `net.2` `[width, 4·width]`.
  /// - Throws: `CheckpointError` if one is missing or has another shape.
  package init(_ weights: Weights, width: Int) throws {
    let inner = 4 * width
    expand = try Linear(weights["net.0.proj"], inputs: width, outputs: 2 * inner)
    contract = try Linear(weights["net.2"], inputs: inner, outputs: width)
  }

  package var byteCount: Int { expand.byteCount + contract.byteCount }

  /// `[…, width]`, shape kept.
  package func callAsFunction(_ x: Tensor, _ compute: Compute) -> Tensor {
    contract(compute.gatedGELU(expand(x, compute)), compute)
  }
}
