/// Where a text is not the expected JSON, and why.
struct JSONFault: Error {
  let offset: Int
  let reason: String
}

/// Reads JSON token by token from bytes in memory. It builds no tree: the caller asks for what it expects. It is strict
/// (RFC 8259), except that `NaN`, `Infinity` and `-Infinity` are numbers, because Python writes them into scheduler
/// configurations.
struct JSONScanner {
  private let bytes: UnsafeBufferPointer<UInt8>
  private(set) var offset = 0
  private var depth = 0

  /// The deepest nesting. Real files have less. It limits the recursion.
  private static let deepest = 64

  /// The bytes must outlive the scanner.
  init(_ bytes: UnsafeBufferPointer<UInt8>) {
    self.bytes = bytes
  }

  func fault(_ reason: String) -> JSONFault { JSONFault(offset: offset, reason: reason) }

  /// The next byte that is not white space, without consuming it; nil at the end.
  mutating func peek() -> UInt8? {
    while offset < bytes.count {
      switch bytes[offset] {
      case 0x20, 0x09, 0x0a, 0x0d: offset += 1
      case let byte: return byte
      }
    }
    return nil
  }

  private mutating func expect(_ byte: UInt8) throws {
    guard peek() == byte else { throw fault("expected '\(Character(Unicode.Scalar(byte)))'") }
    offset += 1
  }

  private mutating func take(_ byte: UInt8) -> Bool {
    guard peek() == byte else { return false }
    offset += 1
    return true
  }

  /// Fails unless nothing but white space is left.
  mutating func end() throws {
    if peek() != nil { throw fault("unexpected text after the end") }
  }

  private mutating func descend() throws {
    depth += 1
    if depth > Self.deepest { throw fault("nested deeper than \(Self.deepest) levels") }
  }

  /// Reads an object; `member` must read each value.
  mutating func object(_ member: (inout JSONScanner, String) throws -> Void) throws {
    try expect(UInt8(ascii: "{"))
    try descend()
    defer { depth -= 1 }
    if take(UInt8(ascii: "}")) { return }
    repeat {
      let key = try string()
      try expect(UInt8(ascii: ":"))
      try member(&self, key)
    } while take(UInt8(ascii: ","))
    try expect(UInt8(ascii: "}"))
  }

  /// Reads an array; `element` must read each value.
  mutating func array(_ element: (inout JSONScanner) throws -> Void) throws {
    try expect(UInt8(ascii: "["))
    try descend()
    defer { depth -= 1 }
    if take(UInt8(ascii: "]")) { return }
    repeat { try element(&self) } while take(UInt8(ascii: ","))
    try expect(UInt8(ascii: "]"))
  }

  /// Reads one of the words `true`, `false`, `null`, `NaN`….
  mutating func word(_ word: StaticString) -> Bool {
    let count = word.utf8CodeUnitCount
    guard peek() != nil, bytes.count - offset >= count else { return false }
    for index in 0..<count where bytes[offset + index] != word.utf8Start[index] { return false }
    offset += count
    return true
  }

  /// Reads a number without sign, fraction or exponent that fits `Int`.
  mutating func unsignedInteger() throws -> Int {
    guard let first = peek(), (0x30...0x39).contains(first) else {
      throw fault("expected a number that is whole and not negative")
    }
    guard case .integer(let value) = try number() else {
      throw fault("expected a whole number below 2^63")
    }
    return value
  }

  /// A number as it was written. A whole number that fits `Int` stays exact.
  enum Number {
    case integer(Int)
    case real(Double)
  }

  /// Reads any number.
  mutating func number() throws -> Number {
    if word("NaN") { return .real(.nan) }
    if word("Infinity") { return .real(.infinity) }
    if word("-Infinity") { return .real(-.infinity) }
    let start = offset
    var isWhole = true
    if current == UInt8(ascii: "-") { offset += 1 }
    if current == UInt8(ascii: "0") { offset += 1 } else { try digits() }
    if current == UInt8(ascii: ".") {
      isWhole = false
      offset += 1
      try digits()
    }
    if current == UInt8(ascii: "e") || current == UInt8(ascii: "E") {
      isWhole = false
      offset += 1
      if current == UInt8(ascii: "+") || current == UInt8(ascii: "-") { offset += 1 }
      try digits()
    }
    let text = String(decoding: bytes[start..<offset], as: UTF8.self)
    if isWhole, let value = Int(text) { return .integer(value) }
    guard let value = Double(text), value.isFinite else { throw fault("number out of range") }
    return .real(value)
  }

  private var current: UInt8? { offset < bytes.count ? bytes[offset] : nil }

  private mutating func digits() throws {
    let start = offset
    while let byte = current, (0x30...0x39).contains(byte) { offset += 1 }
    if offset == start { throw fault("expected a digit") }
  }

  /// Reads a string and its escapes. Text that is not Unicode is refused.
  mutating func string() throws -> String {
    try expect(UInt8(ascii: "\""))
    let start = offset
    while let byte = current, byte != UInt8(ascii: "\""), byte != UInt8(ascii: "\\"), byte >= 0x20 {
      offset += 1
    }
    if current == UInt8(ascii: "\"") {
      offset += 1
      return try validated(bytes[start..<(offset - 1)])
    }
    var text = Array(bytes[start..<offset])
    while let byte = current {
      offset += 1
      switch byte {
      case UInt8(ascii: "\""): return try validated(text[...])
      case UInt8(ascii: "\\"): try escape(into: &text)
      case 0..<0x20: throw fault("control character in a string")
      default: text.append(byte)
      }
    }
    throw fault("string without an end")
  }

  private func validated<Bytes: Collection<UInt8>>(_ text: Bytes) throws -> String {
    guard let string = String(validating: text, as: UTF8.self) else { throw fault("string is not UTF-8") }
    return string
  }

  private mutating func escape(into text: inout [UInt8]) throws {
    guard let byte = current else { throw fault("string without an end") }
    offset += 1
    switch byte {
    case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): text.append(byte)
    case UInt8(ascii: "b"): text.append(0x08)
    case UInt8(ascii: "f"): text.append(0x0c)
    case UInt8(ascii: "n"): text.append(0x0a)
    case UInt8(ascii: "r"): text.append(0x0d)
    case UInt8(ascii: "t"): text.append(0x09)
    case UInt8(ascii: "u"): text.append(contentsOf: String(try escapedScalar()).utf8)
    default: throw fault("unknown escape in a string")
    }
  }

  private mutating func escapedScalar() throws -> Unicode.Scalar {
    var code = try fourHexDigits()
    if (0xd800..<0xdc00).contains(code) {
      guard current == UInt8(ascii: "\\"), offset + 1 < bytes.count, bytes[offset + 1] == UInt8(ascii: "u")
      else { throw fault("half of a surrogate pair") }
      offset += 2
      let low = try fourHexDigits()
      guard (0xdc00..<0xe000).contains(low) else { throw fault("half of a surrogate pair") }
      code = 0x10000 + (code - 0xd800) << 10 + (low - 0xdc00)
    }
    guard let scalar = Unicode.Scalar(code) else { throw fault("half of a surrogate pair") }
    return scalar
  }

  private mutating func fourHexDigits() throws -> UInt32 {
    var code: UInt32 = 0
    for _ in 0..<4 {
      guard let byte = current, let digit = Character(Unicode.Scalar(byte)).hexDigitValue, byte < 0x80 else {
        throw fault("expected four hexadecimal digits")
      }
      code = code << 4 | UInt32(digit)
      offset += 1
    }
    return code
  }
}
