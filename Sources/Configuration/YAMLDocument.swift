import Boundary
import Glibc

/// A YAML file with one document.
package struct YAMLDocument: Sendable, Equatable {
  /// The document's value.
  package let root: YAMLNode

  /// Parses bytes. Messages name `file`.
  package init(parsing bytes: [UInt8], file: String, limits: YAMLLimits = YAMLLimits()) throws(YAMLError) {
    guard bytes.count <= limits.bytes else {
      throw .tooManyBytes(file: file, bytes: bytes.count, limit: limits.bytes)
    }
    if let offset = YAMLDocument.firstNonUTF8(bytes) {
      throw .notUTF8(YAMLDocument.position(of: offset, in: bytes, file: file))
    }
    if let offset = YAMLDocument.oneTagTooMany(bytes) {
      let position = YAMLDocument.position(of: offset, in: bytes, file: file)
      throw .syntax(position, problem: "more than \(YAMLDocument.mostTags) %TAG lines")
    }
    var composer = YAMLComposer(file: file, limits: limits)
    try YAMLEvents.parse(bytes, file: file) { event throws(YAMLError) in try composer.take(event) }
    root = try composer.finish()
  }

  /// Parses text. Messages name `file`.
  package init(parsing text: String, file: String, limits: YAMLLimits = YAMLLimits()) throws(YAMLError) {
    try self.init(parsing: Array(text.utf8), file: file, limits: limits)
  }

  /// Reads and parses a file.
  package init(reading path: String, limits: YAMLLimits = YAMLLimits()) throws(YAMLError) {
    try self.init(parsing: YAMLDocument.read(path, limit: limits.bytes), file: path, limits: limits)
  }

  /// The line and column of a byte. Columns count characters, as libyaml's do.
  static func position(of offset: Int, in bytes: [UInt8], file: String) -> YAMLPosition {
    var line = 1
    var column = 1
    for byte in bytes.prefix(offset) {
      if byte == UInt8(ascii: "\n") {
        line += 1
        column = 1
      } else if byte & 0xC0 != 0x80 {
        column += 1
      }
    }
    return YAMLPosition(file: file, line: line, column: column)
  }

  private static func firstNonUTF8(_ bytes: [UInt8]) -> Int? {
    guard String(validating: bytes, as: UTF8.self) == nil else { return nil }
    // This is rare, so a second pass may look for the first scalar that does not decode.
    var decoder = UTF8()
    var iterator = bytes.makeIterator()
    var offset = 0
    while case .scalarValue(let scalar) = decoder.decode(&iterator) { offset += UTF8.width(scalar) }
    return offset
  }

  /// libyaml compares each `%TAG` line with all lines before it. A file of nothing else would take a minute.
  private static let mostTags = 16

  private static func oneTagTooMany(_ bytes: [UInt8]) -> Int? {
    // The last bytes of what libyaml takes for a line break, and of a byte order mark.
    let breaks: [UInt8] = [0x0A, 0x0D, 0x85, 0xA8, 0xA9, 0xBF]
    var count = 0
    for offset in bytes.indices where bytes[offset] == UInt8(ascii: "%") {
      guard bytes[offset...].starts(with: "%TAG".utf8) else { continue }
      guard offset == 0 || breaks.contains(bytes[offset - 1]) else { continue }
      count += 1
      if count > mostTags { return offset }
    }
    return nil
  }

  private static func read(_ path: String, limit: Int) throws(YAMLError) -> [UInt8] {
    do {
      return try FileBytes.read(path, limit: limit)
    } catch {
      switch error {
      case .unreadable(let code): throw .unreadable(file: path, code: code)
      case .outside: throw .unreadable(file: path, code: EACCES)
      case .tooLarge(let bytes): throw .tooManyBytes(file: path, bytes: bytes, limit: limit)
      }
    }
  }
}

/// The limits of a YAML document, so that reading one takes little time and memory.
package struct YAMLLimits: Sendable, Equatable {
  /// The largest file.
  package var bytes: Int
  /// The deepest nesting.
  package var depth: Int
  /// The most nodes. A node that aliases repeat counts each time.
  package var nodes: Int

  /// Limits with room for any configuration that a person writes.
  package init(bytes: Int = 1 << 20, depth: Int = 32, nodes: Int = 50_000) {
    self.bytes = bytes
    self.depth = depth
    self.nodes = nodes
  }
}
