/// A single value as it was written.
package struct YAMLScalar: Sendable, Equatable {
  /// The text, escapes resolved.
  package let text: String
  /// Whether it is unquoted. A quoted, literal or folded scalar is always text.
  package let isPlain: Bool

  /// A scalar as it was written.
  package init(text: String, isPlain: Bool) {
    self.text = text
    self.isPlain = isPlain
  }

  /// The meaning of a scalar.
  package enum Value: Sendable, Equatable {
    /// Nothing, `~` or `null`.
    case null
    /// `true`, `yes`, `on` and their opposites.
    case bool(Bool)
    /// A whole number: decimal, `0x` or `0o`, with `_` between digits.
    case int(Int)
    /// A number with a point or an exponent, `.inf`, `.nan`, or a whole number beyond `Int`.
    case float(Double)
    /// Anything else.
    case string(String)
  }

  /// The value by the rules of YAML 1.1, as Python's reader has them, with four differences that avoid surprises:
  /// numbers of base 60, dates and octal numbers with a leading zero are text, and `1e-3` is a number.
  package var value: Value {
    guard isPlain else { return .string(text) }
    switch text {
    case "", "~", "null", "Null", "NULL": return .null
    case "true", "True", "TRUE", "yes", "Yes", "YES", "on", "On", "ON": return .bool(true)
    case "false", "False", "FALSE", "no", "No", "NO", "off", "Off", "OFF": return .bool(false)
    default: return YAMLScalar.number(text) ?? .string(text)
    }
  }

  /// What this is, for a person.
  package var found: String {
    switch value {
    case .null: "nothing"
    case .bool: "yes-or-no '\(text)'"
    case .int, .float: "number \(text)"
    case .string: "text '\(YAMLScalar.shortened(text))'"
    }
  }

  /// The beginning of a text, on one line.
  static func shortened(_ text: String) -> String {
    let line = String(text.prefix(40)).split(whereSeparator: \.isNewline).joined(separator: " ")
    return line.count < text.count ? line + "…" : line
  }

  private static func number(_ text: String) -> Value? {
    let isNegative = text.hasPrefix("-")
    let digits = isNegative || text.hasPrefix("+") ? text.dropFirst() : text[...]
    switch digits {
    case ".inf", ".Inf", ".INF": return .float(isNegative ? -.infinity : .infinity)
    case ".nan", ".NaN", ".NAN": return digits.count == text.count ? .float(.nan) : nil
    default: break
    }
    guard let first = digits.utf8.first, first == UInt8(ascii: ".") || isDigit(first) else { return nil }
    if let whole = integer(digits, isNegative: isNegative) { return .int(whole) }
    return float(digits).map { .float(isNegative ? -$0 : $0) }
  }

  private static func integer(_ digits: Substring, isNegative: Bool) -> Int? {
    let radices: [(prefix: String, radix: Int)] = [("0x", 16), ("0o", 8), ("0b", 2)]
    for (prefix, radix) in radices where digits.hasPrefix(prefix) {
      return magnitude(digits.dropFirst(2), radix: radix, isNegative: isNegative)
    }
    // Some readers take 010 for 8 and some for 10.
    guard digits == "0" || !digits.hasPrefix("0") else { return nil }
    return magnitude(digits, radix: 10, isNegative: isNegative)
  }

  private static func magnitude(_ digits: Substring, radix: Int, isNegative: Bool) -> Int? {
    guard let last = digits.utf8.last, last != UInt8(ascii: "_"), !digits.hasPrefix("_"),
      !digits.hasPrefix("+"), !digits.hasPrefix("-")
    else { return nil }
    return Int((isNegative ? "-" : "") + digits.filter { $0 != "_" }, radix: radix)
  }

  private static func float(_ digits: Substring) -> Double? {
    // Double's own reader also takes "0x1p3", "infinity" and "nan(1)".
    let allowed = digits.utf8.allSatisfy { byte in isDigit(byte) || ".eE+-".utf8.contains(byte) }
    let hasPoint = digits.utf8.contains { ".eE".utf8.contains($0) }
    guard allowed, hasPoint || digits.utf8.count > 18 else { return nil }
    guard hasPoint || !digits.hasPrefix("0") else { return nil }
    return Double(digits)
  }

  private static func isDigit(_ byte: UInt8) -> Bool {
    (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
  }
}
