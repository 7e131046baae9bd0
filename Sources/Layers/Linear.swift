import Checkpoints
import Tensors

/// x · weightᵀ + bias (torch's `nn.Linear`).
package struct Linear: Layer {
  /// `[out, in]`.
  package let weight: Tensor
  /// `[out]`.
  package let bias: Tensor?

  /// Reads `weight` and, if the layer has one, `bias`.
  /// - Parameter pointwise: the weight is stored as a 1×1 convolution, `[out, in, 1, 1]`.
  /// - Throws: `CheckpointError` if one is missing or has another shape.
  package init(_ weights: Weights, inputs: Int, outputs: Int, bias: Bool = true, pointwise: Bool = false)
    throws
  {
    let shape = pointwise ? [outputs, inputs, 1, 1] : [outputs, inputs]
    weight = try weights.tensor("weight", shape: shape).reshaped([outputs, inputs])
    self.bias = bias ? try weights.tensor("bias", shape: [outputs]) : nil
  }

  package var byteCount: Int { weight.byteCount + (bias?.byteCount ?? 0) }

  /// `[…, in]` to `[…, out]`.
  package func callAsFunction(_ x: Tensor, _ compute: Compute) -> Tensor {
    compute.linear(x, weight: weight, bias: bias)
  }
}
