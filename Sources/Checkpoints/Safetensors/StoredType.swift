/// The types of a tensor's elements in a file. Every type of the safetensors format is here, so that the sizes of all
/// tensors can be checked, even of those that the engine does not use. GGUF's types, which pack elements in blocks,
/// follow. Raw values are the formats' own names.
package enum StoredType: String, Sendable, CaseIterable {
  case bool = "BOOL"
  case float4 = "F4"
  case float6E2M3 = "F6_E2M3"
  case float6E3M2 = "F6_E3M2"
  case uint8 = "U8"
  case int8 = "I8"
  case float8E5M2 = "F8_E5M2"
  case float8E4M3 = "F8_E4M3"
  case float8E8M0 = "F8_E8M0"
  case float8E4M3FNUZ = "F8_E4M3FNUZ"
  case float8E5M2FNUZ = "F8_E5M2FNUZ"
  case int16 = "I16"
  case uint16 = "U16"
  case float16 = "F16"
  case bfloat16 = "BF16"
  case int32 = "I32"
  case uint32 = "U32"
  case float32 = "F32"
  case complex64 = "C64"
  case float64 = "F64"
  case int64 = "I64"
  case uint64 = "U64"
  case q4x0 = "Q4_0"
  case q4x1 = "Q4_1"
  case q5x0 = "Q5_0"
  case q5x1 = "Q5_1"
  case q8x0 = "Q8_0"
  case q2K = "Q2_K"
  case q3K = "Q3_K"
  case q4K = "Q4_K"
  case q5K = "Q5_K"
  case q6K = "Q6_K"

  /// The bits that are stored together, and the number of elements in them: one, except in GGUF's blocks.
  package var unit: (bits: Int, elements: Int) {
    switch self {
    case .float4: (4, 1)
    case .float6E2M3, .float6E3M2: (6, 1)
    case .bool, .uint8, .int8, .float8E5M2, .float8E4M3, .float8E8M0, .float8E4M3FNUZ, .float8E5M2FNUZ:
      (8, 1)
    case .int16, .uint16, .float16, .bfloat16: (16, 1)
    case .int32, .uint32, .float32: (32, 1)
    case .complex64, .float64, .int64, .uint64: (64, 1)
    case .q4x0: (8 * 18, 32)
    case .q4x1: (8 * 20, 32)
    case .q5x0: (8 * 22, 32)
    case .q5x1: (8 * 24, 32)
    case .q8x0: (8 * 34, 32)
    case .q2K: (8 * 84, 256)
    case .q3K: (8 * 110, 256)
    case .q4K: (8 * 144, 256)
    case .q5K: (8 * 176, 256)
    case .q6K: (8 * 210, 256)
    }
  }

  /// Whether elements are packed in blocks. Only GGUF has such types.
  var isBlock: Bool { unit.elements > 1 }

  /// Whether the elements are whole numbers or truth values.
  package var isInteger: Bool {
    [.bool, .uint8, .int8, .int16, .uint16, .int32, .uint32, .int64, .uint64].contains(self)
  }

  /// Whether the elements are 8-bit floats with values of their own.
  package var isFloat8: Bool { Float8(self) != nil }

  /// Bytes of `count` elements, which must fill whole units.
  func byteCount(of count: Int) -> Int { count / unit.elements * unit.bits / 8 }
}
