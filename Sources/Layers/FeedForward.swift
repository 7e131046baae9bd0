import Checkpoints
import Tensors

/// Gated feed-forward network of a transformer block (diffusers' `FeedForward` with GEGLU).
package struct FeedForward: Layer {
  private let expand: GatedLinear
  private let contract: Linear

  /// Reads `net.0.proj` `[8·width, width]` and `net.2` `[width, 4·width]`.
  /// - Throws: `CheckpointError` if one is missing or has another shape.
  package init(_ weights: Weights, width: Int) throws {
    let inner = 4 * width
    expand = try GatedLinear(weights["net.0.proj"], inputs: width, outputs: inner)
    contract = try Linear(weights["net.2"], inputs: inner, outputs: width)
  }

  package var byteCount: Int { expand.byteCount + contract.byteCount }

  /// Those of both layers.
  package func withWeights(_ body: (UnsafeRawBufferPointer) -> Void) {
    expand.withWeights(body)
    contract.withWeights(body)
  }

  /// Those of both layers.
  package var settings: [String] { expand.settings + contract.settings }

  /// `[…, width]`, shape kept.
  package func callAsFunction(_ x: Tensor, _ compute: Compute) -> Tensor {
    contract(expand(x, compute), compute)
  }

  /// The same, each row times its weight.
  package func callAsFunction(_ x: Tensor, rowWeights: [Float], _ compute: Compute) -> Tensor {
    contract(expand(x, compute), rowWeights: rowWeights, compute)
  }

  /// sum += the block's result, row r times `rowWeights[r]`, added by the last product itself.
  package func add(_ x: Tensor, rowWeights: [Float]?, to sum: inout Tensor, _ compute: Compute) {
    contract.add(expand(x, compute), rowWeights: rowWeights, to: &sum, compute)
  }
}

/// value · gelu(gate) of a linear layer's two halves (diffusers' `GEGLU`).
struct GatedLinear: Layer {
  private let weight: PackedWeight
  private let bias: Tensor

  /// Reads `weight` `[2·out, in]` and `bias` `[2·out]`, the values before the gates.
  /// - Throws: `CheckpointError` if one is missing or has another shape.
  init(_ weights: Weights, inputs: Int, outputs: Int) throws {
    weight = try PackedWeight(
      linear: weights.rows("weight", shape: [2 * outputs, inputs]), precision: weights.precision, gated: true)
    bias = try weights.tensor("bias", shape: [2 * outputs])
  }

  var byteCount: Int { weight.byteCount + bias.byteCount }

  /// Weight and bias.
  func withWeights(_ body: (UnsafeRawBufferPointer) -> Void) {
    weight.withBytes(body)
    bias.withBytes(body)
  }

  /// None: the bias has the width.
  var settings: [String] { [] }

  /// `[…, in]` to `[…, out]`.
  func callAsFunction(_ x: Tensor, _ compute: Compute) -> Tensor {
    compute.product(x, weight, ProductEpilogue(bias: bias))
  }
}
