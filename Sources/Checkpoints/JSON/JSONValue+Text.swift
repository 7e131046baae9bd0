import Boundary

extension JSONValue {
  /// The value as JSON on one line without spaces, keys sorted.
  package var text: String {
    switch self {
    case .null: "null"
    case .bool(let value): value ? "true" : "false"
    case .integer(let value): "\(value)"
    case .number(let value):
      // As Python writes them, and as `JSONScanner` reads them.
      value.isNaN ? "NaN" : value.isInfinite ? (value < 0 ? "-Infinity" : "Infinity") : "\(value)"
    case .string(let value): PlainText.quoted(value)
    case .array(let values): "[" + values.map(\.text).joined(separator: ",") + "]"
    case .object(let members):
      "{"
        + members.sorted { $0.key < $1.key }.map { PlainText.quoted($0.key) + ":" + $0.value.text }.joined(
          separator: ",")
        + "}"
    }
  }
}

extension JSONValue: CustomStringConvertible {
  /// The value as JSON, for messages.
  package var description: String { text }
}
