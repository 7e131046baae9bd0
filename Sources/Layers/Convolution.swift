import Checkpoints
import Tensors

/// A square convolution, channels last (torch's `nn.Conv2d`).
package struct Convolution: Layer {
  private let weight: Tensor
  private let bias: Tensor
  private let shape: ConvolutionShape

  /// Reads `weight` `[out, in, kernel, kernel]` and `bias` `[out]`, and packs the weight.
  /// - Throws: `CheckpointError` if one is missing or has another shape.
  package init(_ weights: Weights, inputs: Int, outputs: Int, shape: ConvolutionShape) throws {
    let stored = try weights.tensor("weight", shape: [outputs, inputs, shape.kernel, shape.kernel])
    weight = Compute.packConvolution(stored)
    bias = try weights.tensor("bias", shape: [outputs])
    self.shape = shape
  }

  package var byteCount: Int { weight.byteCount + bias.byteCount }

  /// `[batch, height, width, in]` to `[batch, height', width', out]`.
  package func callAsFunction(_ x: Tensor, _ compute: Compute) -> Tensor {
    compute.convolution(x, weight: weight, bias: bias, shape: shape)
  }
}
