import Foundation

/// A number of bytes, written like `4GiB`, `512M` or `1000000`; the letters are powers of 1024.
package struct ByteCount: Sendable, Equatable {
  /// The number of bytes.
  package let bytes: Int

  package init(bytes: Int) {
    self.bytes = bytes
  }

  private static let powers = ["": 0, "k": 1, "m": 2, "g": 3, "t": 4]

  /// As a person writes it: `4GiB`, `20370MiB`, or bytes.
  package var size: String {
    if bytes > 0, bytes % (1 << 30) == 0 { return "\(bytes >> 30)GiB" }
    if bytes > 0, bytes % (1 << 20) == 0 { return "\(bytes >> 20)MiB" }
    return "\(bytes)"
  }

  /// What is allowed, for messages.
  package static let rule = "use a number of bytes, with K, M, G or T if you like, such as 4GiB"
}

extension ByteCount: SettingForm {
  package static let kind = "a number of bytes or text like \"4GiB\""

  package init?(text: String) {
    let text = text.lowercased()
    let digits = text.prefix { $0.isASCII && $0.isNumber || $0 == "." }
    var unit = String(text.dropFirst(digits.count))
    for ending in ["ib", "b"] where unit.hasSuffix(ending) {
      unit.removeLast(ending.count)
      break
    }
    guard let number = Double(digits), let power = Self.powers[unit] else { return nil }
    let bytes = number * pow(1024, Double(power))
    guard bytes >= 0, bytes < Double(Int.max) else { return nil }
    self.bytes = Int(bytes)
  }

  package var text: String { "\(bytes)" }
  package var stored: StoredValue { .integer(Int64(bytes)) }

  package init?(stored: StoredValue) {
    guard case .integer(let bytes) = stored, bytes >= 0 else { return nil }
    self.init(bytes: Int(bytes))
  }

  /// Reads a number, or a text like `"4GiB"`.
  package init(from decoder: any Decoder) throws {
    let value = try decoder.singleValueContainer()
    if let text = try? value.decode(String.self) {
      guard let count = ByteCount(text: text) else {
        throw DecodingError.dataCorruptedError(in: value, debugDescription: Self.rule)
      }
      self = count
      return
    }
    let bytes = try value.decode(Int.self)
    guard bytes >= 0 else {
      throw DecodingError.dataCorruptedError(in: value, debugDescription: Self.rule)
    }
    self.init(bytes: bytes)
  }

  /// - Throws: `EncodingError`
  package func encode(to encoder: any Encoder) throws {
    var value = encoder.singleValueContainer()
    try value.encode(bytes)
  }
}
