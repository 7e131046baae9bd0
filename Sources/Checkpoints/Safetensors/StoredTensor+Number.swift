extension StoredTensor {
  /// The one number that it holds, of any type of number; nil if it holds another count, or something else.
  /// - Throws: what reading throws.
  func number() throws -> Double? {
    guard count == 1, isRaw || type.isFloat8 else { return nil }
    func bytes<Integer: FixedWidthInteger>(_: Integer.Type) throws -> Double {
      var value: Integer = 0
      try withUnsafeMutableBytes(of: &value) { try readBytes(into: $0, range: 0..<$0.count) }
      return Double(Integer(littleEndian: value))
    }
    switch type {
    case .int8: return try bytes(Int8.self)
    case .uint8, .bool: return try bytes(UInt8.self)
    case .int16: return try bytes(Int16.self)
    case .uint16: return try bytes(UInt16.self)
    case .int32: return try bytes(Int32.self)
    case .uint32: return try bytes(UInt32.self)
    case .int64: return try bytes(Int64.self)
    case .uint64: return try bytes(UInt64.self)
    case .float32, .float16, .bfloat16, .float64, .float8E4M3, .float8E5M2, .float8E4M3FNUZ, .float8E5M2FNUZ:
      return try read().values.first.map { Double($0) }
    default: return nil
    }
  }
}
