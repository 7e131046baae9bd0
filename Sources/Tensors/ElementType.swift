/// How one number of a stored tensor is encoded. Names are those of the safetensors format.
package enum ElementType: String, Sendable, CaseIterable, Codable {
  /// IEEE 754 binary32, little endian.
  case float32 = "F32"
  /// IEEE 754 binary16, little endian.
  case float16 = "F16"
  /// The upper half of a binary32 ("brain float"), little endian.
  case bfloat16 = "BF16"
  /// Signed 64-bit integer (position ids in old checkpoints).
  case int64 = "I64"
  /// Signed 32-bit integer.
  case int32 = "I32"
  /// Unsigned byte.
  case uint8 = "U8"

  /// Bytes of one element.
  package var byteCount: Int {
    switch self {
    case .float32, .int32: 4
    case .float16, .bfloat16: 2
    case .int64: 8
    case .uint8: 1
    }
  }

  /// Whether tensors of this type can be read as floats.
  package var isFloat: Bool {
    switch self {
    case .float32, .float16, .bfloat16: true
    case .int64, .int32, .uint8: false
    }
  }
}
