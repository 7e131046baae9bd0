import CKernels
import Requests

/// The kernels of one arithmetic that attention can be computed in.
struct AttentionKernels {
  /// Keys or values, floats from one to the next, how many, their width, and where the result goes.
  typealias Measure = (UnsafePointer<Float>?, Int, Int, Int, UnsafeMutableRawPointer?) -> Void
  /// The same, and the first panel and the end of the panels that are packed.
  typealias Pack = (UnsafePointer<Float>?, Int, Int, Int, UnsafeMutableRawPointer?, Int, Int) -> Void
  /// One of the two things that are packed, of one head.
  typealias Packing = (size: (_ keys: Int, _ width: Int) -> Int, measure: Measure?, pack: Pack)

  let keys: Packing
  let values: Packing
  let attend:
    (
      UnsafePointer<segmoe_attention>?, UnsafePointer<Float>?, Int, Int, UnsafeRawPointer?, UnsafeRawPointer?,
      UnsafeMutablePointer<Float>?, UnsafeMutablePointer<Float>?
    ) -> Void

  /// The arithmetic for a layer: int8 for many keys in an int8 network, whatever the instruction set, so that all give
  /// the same bits. Else bfloat16 in every precision but `.f32`, where its products are the faster ones.
  static func arithmetic(precision: Precision, keys: Int, causal: Bool) -> Precision {
    if precision == .int8, !causal, keys > fewKeys { return .int8 }
    return precision != .f32 && ProductInstructions.multiplyBF16 ? .bf16 : .f32
  }

  /// For so many keys or less, which is one block, rounding to int8 takes more time than it saves. Attention to the text
  /// has 77.
  private static let fewKeys = 128

  /// The kernels for a layer.
  init(precision: Precision, keys count: Int, causal: Bool) {
    switch Self.arithmetic(precision: precision, keys: count, causal: causal) {
    case .f32:
      keys = (segmoe_packed_keys_size, nil, segmoe_pack_keys)
      values = (segmoe_packed_values_size, nil, segmoe_pack_values)
      attend = segmoe_attend
    case .bf16:
      keys = (segmoe_packed_keys_bf16_size, nil, segmoe_pack_keys_bf16)
      values = (segmoe_packed_values_bf16_size, nil, segmoe_pack_values_bf16)
      attend = segmoe_attend_bf16
    case .int8:
      keys = (segmoe_packed_keys_int8_size, segmoe_measure_keys_int8, segmoe_pack_keys_int8)
      values = (segmoe_packed_values_int8_size, segmoe_measure_values_int8, segmoe_pack_values_int8)
      attend = segmoe_attend_int8
    }
  }
}
