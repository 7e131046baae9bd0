/// How a file encodes the elements of a tensor: every type that the safetensors format knows, so that sizes can be checked
/// even of tensors that the engine has no use for. Raw values are the format's own names.
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

  /// Bits of an element.
  package var bits: Int {
    switch self {
    case .float4: 4
    case .float6E2M3, .float6E3M2: 6
    case .bool, .uint8, .int8, .float8E5M2, .float8E4M3, .float8E8M0, .float8E4M3FNUZ, .float8E5M2FNUZ:
      8
    case .int16, .uint16, .float16, .bfloat16: 16
    case .int32, .uint32, .float32: 32
    case .complex64, .float64, .int64, .uint64: 64
    }
  }

  /// Whether it is a whole number or a truth value.
  package var isInteger: Bool {
    [.bool, .uint8, .int8, .int16, .uint16, .int32, .uint32, .int64, .uint64].contains(self)
  }

  /// Whether it is one of the floats of 8 bits that have values by themselves.
  package var isFloat8: Bool { Float8(self) != nil }

  /// Bytes of `count` elements.
  func byteCount(of count: Int) -> Int { count * bits / 8 }
}
