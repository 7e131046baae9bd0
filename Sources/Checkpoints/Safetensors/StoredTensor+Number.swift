extension StoredTensor {
  /// The tensor's only number, whatever its numeric type; nil if it does not hold exactly one number.
  /// - Throws: what reading throws.
  func number() throws -> Double? {
    guard count == 1, isRaw || type.isFloat8 else { return nil }
    if let whole = try integers()?.first { return Double(whole) }
    switch type {
    case .uint64:
      var value: UInt64 = 0
      try withUnsafeMutableBytes(of: &value) { try readBytes(into: $0, range: 0..<$0.count) }
      return Double(UInt64(littleEndian: value))
    case .float32, .float16, .bfloat16, .float64, .float8E4M3, .float8E5M2, .float8E4M3FNUZ, .float8E5M2FNUZ:
      return try read().values.first.map { Double($0) }
    default: return nil
    }
  }

  /// All its whole numbers; nil if it holds something else, or numbers of 64 bits without a sign.
  /// - Throws: what reading throws.
  func integers() throws -> [Int]? {
    guard isRaw else { return nil }
    func read<Integer: FixedWidthInteger>(_: Integer.Type) throws -> [Int] {
      var bytes = [UInt8](repeating: 0, count: byteCount)
      try bytes.withUnsafeMutableBytes { try readBytes(into: $0, range: 0..<byteCount) }
      return bytes.withUnsafeBytes { bytes in
        (0..<count).map { place in
          let stored = bytes.loadUnaligned(fromByteOffset: place * Integer.bitWidth / 8, as: Integer.self)
          return Int(Integer(littleEndian: stored))
        }
      }
    }
    switch type {
    case .int8: return try read(Int8.self)
    case .uint8, .bool: return try read(UInt8.self)
    case .int16: return try read(Int16.self)
    case .uint16: return try read(UInt16.self)
    case .int32: return try read(Int32.self)
    case .uint32: return try read(UInt32.self)
    case .int64: return try read(Int64.self)
    default: return nil
    }
  }
}
