import Checkpoints
import Tensors

/// A weight in the precision that its scope asks for.
enum LayerWeight: Sendable {
  case single(Tensor)
  case packed(PackedWeight)

  /// A linear layer's `[out, in]`; `[2·out, in]` if `gated`.
  init(linear weight: Tensor, _ precision: Precision, gated: Bool = false) {
    self =
      precision == .f32
      ? .single(weight) : .packed(PackedWeight(linear: weight, precision: precision, gated: gated))
  }

  /// A convolution's, as `Compute.packConvolution` gives it.
  init(convolution weight: Tensor, _ shape: ConvolutionShape, _ precision: Precision) {
    self =
      precision == .f32
      ? .single(weight)
      : .packed(PackedWeight(convolution: weight, kernel: shape.kernel, precision: precision))
  }

  var byteCount: Int {
    switch self {
    case .single(let weight): weight.byteCount
    case .packed(let weight): weight.byteCount
    }
  }
}
