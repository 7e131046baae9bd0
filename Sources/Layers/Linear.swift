import Checkpoints
import Tensors

/// x · weightᵀ + bias (torch's `nn.Linear`), in the precision of the scope it is read from.
package struct Linear: Layer {
  /// `[out, in]`.
  private let weight: PackedWeight
  /// Width of a row that goes in.
  package let inputs: Int
  /// `[out]`.
  private let bias: Tensor?

  /// Reads `weight` and, if the layer has one, `bias`.
  /// - Parameters:
  ///   - weights: the layer's scope.
  ///   - inputs: width of a row that goes in.
  ///   - outputs: width of a row that comes out.
  ///   - bias: whether the layer has one.
  ///   - pointwise: the weight is stored as a 1×1 convolution, `[out, in, 1, 1]`.
  /// - Throws: `CheckpointError` if one is missing or has another shape.
  package init(_ weights: Weights, inputs: Int, outputs: Int, bias: Bool = true, pointwise: Bool = false)
    throws
  {
    let shape = pointwise ? [outputs, inputs, 1, 1] : [outputs, inputs]
    self.inputs = inputs
    weight = try PackedWeight(linear: weights.rows("weight", shape: shape), precision: weights.precision)
    self.bias = bias ? try weights.tensor("bias", shape: [outputs]) : nil
  }

  /// Reads the `weight`s of several layers without bias that see the same input: their results come side by
  /// side, from one product.
  /// - Parameters:
  ///   - layers: the layers' scopes.
  ///   - inputs: width of a row that goes in.
  ///   - outputs: the outputs of each layer.
  /// - Throws: `CheckpointError` if one is missing or has another shape.
  package init(stacking layers: [Weights], inputs: Int, outputs: Int) throws {
    self.inputs = inputs
    let rows = try layers.map { try $0.rows("weight", shape: [outputs, inputs]) }
    weight = try PackedWeight(
      linear: WeightRows(stacking: rows), precision: layers.first?.precision ?? .f32)
    bias = nil
  }

  package var byteCount: Int { weight.byteCount + (bias?.byteCount ?? 0) }

  /// Weight and bias.
  package func withWeights(_ body: (UnsafeRawBufferPointer) -> Void) {
    weight.withBytes(body)
    bias?.withBytes(body)
  }

  /// Width of a row that goes in.
  package var settings: [String] { ["\(inputs)"] }

  /// `[…, in]` to `[…, out]`.
  package func callAsFunction(_ x: Tensor, _ compute: Compute) -> Tensor {
    compute.product(x, weight, ProductEpilogue(bias: bias))
  }

  /// The same, each row times its weight.
  package func callAsFunction(_ x: Tensor, rowWeights: [Float], _ compute: Compute) -> Tensor {
    compute.product(x, weight, ProductEpilogue(bias: bias, rowWeights: rowWeights))
  }

  /// sum += weight of the row · (what the layer gives), in one pass.
  package func add(_ x: Tensor, rowWeights: [Float]?, to sum: inout Tensor, _ compute: Compute) {
    compute.product(x, weight, ProductEpilogue(bias: bias, rowWeights: rowWeights), addedTo: &sum)
  }
}
