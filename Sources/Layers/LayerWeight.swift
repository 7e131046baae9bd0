import Checkpoints
import Tensors

/// A weight in the precision that its scope asks for.
enum LayerWeight: Sendable {
  case single(Tensor)
  case packed(PackedWeight)

  /// A linear layer's `[out, in]`; `[2·out, in]` if `gated`.
  /// - Throws: what reading the rows throws.
  init(linear rows: WeightRows, _ precision: Precision, gated: Bool = false) throws {
    self =
      precision == .f32
      ? .single(try rows.matrix())
      : .packed(try PackedWeight(linear: rows, precision: precision, gated: gated))
  }

  /// A convolution's, the rows as torch has them.
  /// - Throws: what reading the rows throws.
  init(convolution rows: WeightRows, _ shape: ConvolutionShape, _ precision: Precision) throws {
    let taps = shape.kernel * shape.kernel
    self =
      precision == .f32
      ? .single(try rows.tapsFirst(taps).matrix())
      : .packed(
        try PackedWeight(convolution: rows.tapsFirst(taps), taps: taps, precision: precision))
  }

  func withBytes(_ body: (UnsafeRawBufferPointer) -> Void) {
    switch self {
    case .single(let weight): weight.withBytes(body)
    case .packed(let weight): weight.withBytes(body)
    }
  }

  var byteCount: Int {
    switch self {
    case .single(let weight): weight.byteCount
    case .packed(let weight): weight.byteCount
    }
  }
}
