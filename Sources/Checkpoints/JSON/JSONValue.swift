/// A JSON value in memory, for configuration files. Whole numbers stay exact. (Headers of safetensors files are read
/// token by token instead.)
package enum JSONValue: Equatable, Sendable {
  case null
  case bool(Bool)
  case integer(Int)
  case number(Double)
  case string(String)
  case array([JSONValue])
  case object([String: JSONValue])

  /// Parses a whole text. Duplicate keys, deep nesting and text that is not UTF-8 are refused. The error names the
  /// offset.
  package init(parsing bytes: [UInt8], path: String) throws {
    do {
      self = try bytes.withUnsafeBufferPointer { buffer in
        var scanner = JSONScanner(buffer)
        let value = try JSONValue(&scanner)
        try scanner.end()
        return value
      }
    } catch let fault as JSONFault {
      throw CheckpointError.malformed(path: path, reason: "JSON, byte \(fault.offset): \(fault.reason)")
    }
  }

  /// Reads and parses a file of at most `limit` bytes.
  /// - Throws: what `FileReader` throws, and `malformed`.
  package init(contentsOf path: String, limit: Int = 16 << 20, purpose: String) throws {
    try self.init(parsing: try FileReader(path: path, purpose: purpose).text(limit: limit), path: path)
  }

  init(_ scanner: inout JSONScanner) throws {
    switch scanner.peek() {
    case UInt8(ascii: "{"):
      var members: [String: JSONValue] = [:]
      try scanner.object { scanner, key in
        let value = try JSONValue(&scanner)
        guard members.updateValue(value, forKey: key) == nil else {
          throw scanner.fault("key '\(key)' twice in one object")
        }
      }
      self = .object(members)
    case UInt8(ascii: "["):
      var elements: [JSONValue] = []
      try scanner.array { scanner in elements.append(try JSONValue(&scanner)) }
      self = .array(elements)
    case UInt8(ascii: "\""):
      self = .string(try scanner.string())
    case nil:
      throw scanner.fault("ends too early")
    default:
      if scanner.word("true") {
        self = .bool(true)
      } else if scanner.word("false") {
        self = .bool(false)
      } else if scanner.word("null") {
        self = .null
      } else {
        switch try scanner.number() {
        case .integer(let value): self = .integer(value)
        case .real(let value): self = .number(value)
        }
      }
    }
  }

  /// The kind of value, for messages.
  package var kind: String {
    switch self {
    case .null: "null"
    case .bool: "a truth value"
    case .integer: "a whole number"
    case .number: "a number"
    case .string: "a text"
    case .array: "a list"
    case .object: "an object"
    }
  }

  /// The value if it is a whole number, however it is written.
  package var wholeNumber: Int? {
    switch self {
    case .integer(let whole): whole
    case .number(let real): Int(exactly: real)
    default: nil
    }
  }
}
