import Foundation

/// A number of bytes, written like `4GiB`, `512M` or `1000000`; the letters are powers of 1024.
package struct ByteCount: Sendable, Equatable {
  /// How many.
  package let bytes: Int

  private static let powers = ["": 0, "k": 1, "m": 2, "g": 3, "t": 4]

  /// nil for a text that is no such number.
  package init?(_ text: String) {
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
}
