/// A JSON value in memory, for configuration files (not for safetensors headers, which are read token
/// by token). Whole numbers stay exact.
package enum JSONValue: Equatable, Sendable {
  case null
  case bool(Bool)
  case integer(Int)
  case number(Double)
  case string(String)
  case array([JSONValue])
  case object([String: JSONValue])

  /// Parses a whole text. Refuses duplicate keys, deep nesting and what is not UTF-8, with the offset.
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
  /// - Throws: Errors of `FileReader`, and `malformed`.
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

  /// What kind of value this is, for messages.
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

  /// The value if it is a whole number, however written.
  package var wholeNumber: Int? {
    switch self {
    case .integer(let whole): whole
    case .number(let real): Int(exactly: real)
    default: nil
    }
  }
}
