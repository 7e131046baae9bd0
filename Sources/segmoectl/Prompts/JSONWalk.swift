import CommandLine

/// Walks through JSON, and knows where it is: line and column of every value and of whatever is wrong.
struct JSONWalk {
  /// Where something stands: both from 1, the column in characters.
  struct Place: Equatable {
    var line: Int
    var column: Int
  }

  private let bytes: [UInt8]
  private var index = 0
  /// The line at `index`, and where it began.
  private var line: Int
  private var lineStart = 0
  /// Bytes of characters that are no characters of their own, since the line's beginning.
  private var continuations = 0

  /// Deeper than any setting.
  private static let mostDepth = 32

  /// - Parameters:
  ///   - bytes: the text, in UTF-8.
  ///   - line: the number of its first line.
  init(_ bytes: [UInt8], line: Int = 1) {
    self.bytes = bytes
    self.line = line
  }

  /// Where the walk is.
  var place: Place { Place(line: line, column: index - lineStart - continuations + 1) }

  var isAtEnd: Bool { index >= bytes.count }

  /// The next byte; nil at the end.
  var next: UInt8? { index < bytes.count ? bytes[index] : nil }

  private mutating func step() {
    guard let byte = next else { return }
    index += 1
    if byte == UInt8(ascii: "\n") {
      line += 1
      (lineStart, continuations) = (index, 0)
    } else if byte & 0xC0 == 0x80 {
      continuations += 1
    }
  }

  mutating func skipSpace() {
    while let byte = next, [0x20, 0x09, 0x0A, 0x0D].contains(byte) { step() }
  }

  /// Passes over a byte, if it is the next one.
  mutating func pass(_ character: Unicode.Scalar) -> Bool {
    guard let byte = next, UInt32(byte) == character.value else { return false }
    step()
    return true
  }

  /// Passes over a byte that must be the next one.
  /// - Throws: `Fault`
  mutating func expect(_ character: Unicode.Scalar, _ what: String) throws {
    guard pass(character) else { throw Fault(place, what) }
  }

  /// What is wrong, and where.
  struct Fault: Error, Equatable {
    let place: Place
    let what: String

    init(_ place: Place, _ what: String) {
      self.place = place
      self.what = what
    }
  }

  /// Passes over a value.
  /// - Parameter member: gets the keys of the outermost object, with their places.
  /// - Returns: its bytes.
  /// - Throws: `Fault`
  mutating func value(depth: Int = 0, _ member: (String, Place) -> Void = { _, _ in }) throws -> ArraySlice<
    UInt8
  > {
    let start = index
    guard depth < Self.mostDepth else { throw Fault(place, "is nested too deeply") }
    guard let byte = next else { throw Fault(place, "ends before its end") }
    switch Unicode.Scalar(byte) {
    case "{": try object(depth, member)
    case "[":
      step()
      try list("]") { walk in _ = try walk.value(depth: depth + 1) }
    case "\"": _ = try string()
    case "t": try word("true")
    case "f": try word("false")
    case "n": try word("null")
    case "-", "0", "1", "2", "3", "4", "5", "6", "7", "8", "9": try number()
    default: throw Fault(place, "is no JSON value")
    }
    return bytes[start..<index]
  }

  private mutating func object(_ depth: Int, _ member: (String, Place) -> Void) throws {
    step()
    try list("}") { walk in
      let place = walk.place
      guard walk.next == UInt8(ascii: "\"") else { throw Fault(place, "must be a key in quotes") }
      let key = try walk.string()
      member(String(decoding: key, as: UTF8.self), place)
      walk.skipSpace()
      try walk.expect(":", "must be a colon")
      walk.skipSpace()
      _ = try walk.value(depth: depth + 1)
    }
  }

  /// Entries with commas between, up to a closing bracket.
  private mutating func list(_ end: Unicode.Scalar, _ entry: (inout JSONWalk) throws -> Void) throws {
    skipSpace()
    if pass(end) { return }
    while true {
      skipSpace()
      try entry(&self)
      skipSpace()
      if pass(end) { return }
      try expect(",", "must be a comma or '\(end)'")
    }
  }

  /// - Returns: what is between the quotes, as it is written.
  private mutating func string() throws -> ArraySlice<UInt8> {
    let opening = place
    step()
    let start = index
    while let byte = next {
      switch byte {
      case UInt8(ascii: "\""):
        step()
        return bytes[start..<index - 1]
      case UInt8(ascii: "\\"):
        step()
        guard let escaped = next, "\"\\/bfnrtu".utf8.contains(escaped) else {
          throw Fault(place, "is no escape; write \\\\ for a backslash")
        }
        step()
      case 0..<0x20: throw Fault(place, "is a control character within quotes; write \\n for a new line")
      default: step()
      }
    }
    throw Fault(opening, "is a quote that is never closed")
  }

  private mutating func word(_ word: String) throws {
    let start = place
    for byte in word.utf8 {
      guard next == byte else { throw Fault(start, "is no JSON value; text needs quotes") }
      step()
    }
  }

  private mutating func number() throws {
    let start = place
    let first = index
    while let byte = next, "+-.eE0123456789".utf8.contains(byte) { step() }
    let text = String(decoding: bytes[first..<index], as: UTF8.self)
    guard text.wholeMatch(of: #/-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?/#) != nil else {
      throw Fault(start, "is no number")
    }
  }
}
