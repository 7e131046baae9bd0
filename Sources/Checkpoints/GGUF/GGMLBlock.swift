import CKernels

/// Unpacks GGUF's blocks of quantized numbers to floats.
enum GGMLBlock {
  /// Unpacks all whole blocks in `bytes`. It writes nothing for a type without blocks.
  static func unpack(
    _ type: StoredType, _ bytes: UnsafeRawBufferPointer, into result: UnsafeMutableBufferPointer<Float>
  ) {
    guard let unpack = kernel(type) else { return }
    unpack(bytes.baseAddress, result.baseAddress, bytes.count * 8 / type.unit.bits)
  }

  private static func kernel(
    _ type: StoredType
  ) -> ((UnsafeRawPointer?, UnsafeMutablePointer<Float>?, Int) -> Void)? {
    switch type {
    case .q4x0: segmoe_unpack_q4_0
    case .q4x1: segmoe_unpack_q4_1
    case .q5x0: segmoe_unpack_q5_0
    case .q5x1: segmoe_unpack_q5_1
    case .q8x0: segmoe_unpack_q8_0
    case .q2K: segmoe_unpack_q2_k
    case .q3K: segmoe_unpack_q3_k
    case .q4K: segmoe_unpack_q4_k
    case .q5K: segmoe_unpack_q5_k
    case .q6K: segmoe_unpack_q6_k
    default: nil
    }
  }
}
