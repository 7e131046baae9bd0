import Checkpoints
import Tensors

/// A square convolution, channels last (torch's `nn.Conv2d`), in the precision of the scope it is read
/// from.
package struct Convolution: Layer {
  private let weight: Weight
  private let bias: Tensor?
  private let outputs: Int
  private let shape: ConvolutionShape

  /// The weight as its algorithm takes it.
  private enum Weight: Sendable {
    case direct(PackedWeight)
    case winograd(WinogradWeight)
  }

  /// Reads `weight` `[out, in, kernel, kernel]` and, if the layer has one, `bias` `[out]`, and packs
  /// the weight.
  /// - Throws: `CheckpointError` if one is missing or has another shape.
  package init(_ weights: Weights, inputs: Int, outputs: Int, shape: ConvolutionShape, bias: Bool = true)
    throws
  {
    let rows = try weights.rows("weight", shape: [outputs, inputs, shape.kernel, shape.kernel])
    weight =
      WinogradWeight.suits(shape, in: weights.precision)
      ? .winograd(try WinogradWeight(rows, bf16: weights.precision == .bf16))
      : .direct(
        try PackedWeight(
          convolution: rows.tapsFirst(shape.kernel * shape.kernel), taps: shape.kernel * shape.kernel,
          precision: weights.precision))
    self.bias = bias ? try weights.tensor("bias", shape: [outputs]) : nil
    self.outputs = outputs
    self.shape = shape
  }

  package var byteCount: Int {
    let packed =
      switch weight {
      case .direct(let weight): weight.byteCount
      case .winograd(let weight): weight.byteCount
      }
    return packed + (bias?.byteCount ?? 0)
  }

  /// Weight and bias.
  package func withWeights(_ body: (UnsafeRawBufferPointer) -> Void) {
    switch weight {
    case .direct(let weight): weight.withBytes(body)
    case .winograd(let weight): weight.withBytes(body)
    }
    bias?.withBytes(body)
  }

  /// Kernel, stride and padding.
  package var settings: [String] { ["\(shape)", "\(outputs)"] }

  /// `[batch, height, width, in]` to `[batch, height', width', out]`.
  package func callAsFunction(_ x: Tensor, _ compute: Compute) -> Tensor {
    self(x, rows: nil, compute)
  }

  /// The same, with more done in the same pass.
  /// - Parameters:
  ///   - x: `[batch, height, width, in]`.
  ///   - norm: normalizes `x` first.
  ///   - rows: `[batch, out]`, added to every position of their image.
  ///   - activation: of the sums with bias; not together with `rows`.
  ///   - residual: added to the result; of its shape.
  ///   - size: `x` is enlarged to it first (nearest neighbour).
  ///   - compute: where it is computed.
  package func callAsFunction(
    _ x: Tensor, after norm: GroupNorm? = nil, rows: Tensor? = nil, activation: Compute.Activation? = nil,
    adding residual: Tensor? = nil, enlargedTo size: (height: Int, width: Int)? = nil, _ compute: Compute
  ) -> Tensor {
    precondition(rows == nil || activation == nil, "an activation of rows that are added later")
    switch weight {
    case .winograd(let weight):
      var addend = bias ?? Tensor(shape: [outputs])
      if var rows {
        compute.addRows(addend.reshaped([1, outputs]), to: &rows)
        addend = rows
      }
      let x = norm.map { $0(x, compute) } ?? x
      guard let activation else {
        return compute.convolution(x, weight, bias: addend, adding: residual, enlargedTo: size)
      }
      var result = compute.activate(
        compute.convolution(x, weight, bias: addend, enlargedTo: size), activation)
      if let residual { compute.accumulate(residual, into: &result) }
      return result
    case .direct(let weight):
      // Rows come before the residual.
      var result = compute.convolution(
        x, weight, shape: shape, after: norm?.affine(of: x, compute),
        ProductEpilogue(bias: bias, activation: activation), adding: rows == nil ? residual : nil,
        enlargedTo: size)
      if let rows {
        compute.addRows(rows, to: &result)
        if let residual { compute.accumulate(residual, into: &result) }
      }
      return result
    }
  }
}
