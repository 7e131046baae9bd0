/// 8-bit floats: a sign, an exponent, and a mantissa of 3 or 2 bits (Micikevicius et al., "FP8 formats for deep
/// learning", 2022; the FNUZ kinds by Noune et al., 2022). torch calls them `float8_e4m3fn`, `float8_e5m2` and so on.
struct Float8: Sendable {
  private let exponentBits: Int
  private let bias: Int
  /// Whether it is a FNUZ kind: there is no infinity and no minus zero, whose bits mean NaN instead.
  private let isUnsignedZero: Bool

  /// nil for a type that is no 8-bit float.
  init?(_ type: StoredType) {
    switch type {
    case .float8E4M3: (exponentBits, bias, isUnsignedZero) = (4, 7, false)
    case .float8E5M2: (exponentBits, bias, isUnsignedZero) = (5, 15, false)
    case .float8E4M3FNUZ: (exponentBits, bias, isUnsignedZero) = (4, 8, true)
    case .float8E5M2FNUZ: (exponentBits, bias, isUnsignedZero) = (5, 16, true)
    default: return nil
    }
  }

  /// The value of a byte. Single precision holds it exactly.
  func value(_ byte: UInt8) -> Float {
    let mantissaBits = 7 - exponentBits
    let mantissa = Int(byte) & (1 << mantissaBits - 1)
    let exponent = Int(byte) >> mantissaBits & (1 << exponentBits - 1)
    let sign: Float = byte & 0x80 == 0 ? 1 : -1
    if isUnsignedZero {
      if byte == 0x80 { return .nan }
    } else if exponent == 1 << exponentBits - 1 {
      // With a 4-bit exponent there is no infinity and one NaN. With 5 bits it follows IEEE 754.
      if exponentBits == 4, mantissa == 7 { return .nan }
      if exponentBits == 5 { return mantissa == 0 ? sign * .infinity : .nan }
    }
    let fraction = Float(mantissa) / Float(1 << mantissaBits)
    return exponent == 0
      ? sign * Float(sign: .plus, exponent: 1 - bias, significand: fraction)
      : sign * Float(sign: .plus, exponent: exponent - bias, significand: 1 + fraction)
  }

  /// The values of all 256 bytes.
  private var table: [Float] { (0...255).map { value(UInt8($0)) } }

  private static let tables: [StoredType: [Float]] = Dictionary(
    uniqueKeysWithValues: StoredType.allCases.compactMap { type in Float8(type).map { (type, $0.table) } })

  /// Bytes as floats.
  static func convert(
    _ type: StoredType, _ bytes: UnsafeRawBufferPointer, into result: UnsafeMutableBufferPointer<Float>
  ) {
    guard let table = tables[type] else { return }
    table.withUnsafeBufferPointer { table in
      for index in result.indices { result[index] = table[Int(bytes[index])] }
    }
  }
}
