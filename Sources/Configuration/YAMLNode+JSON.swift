import Boundary

extension YAMLNode {
  /// The value as JSON, with keys in the order of the file, as Python's `json` would write it. Infinite numbers, which
  /// JSON does not have, become text.
  package var json: String {
    switch content {
    case .sequence(let items):
      return "[" + items.map(\.json).joined(separator: ", ") + "]"
    case .mapping(let entries):
      let pairs = entries.map { "\(PlainText.quoted($0.key)): \($0.value.json)" }
      return "{" + pairs.joined(separator: ", ") + "}"
    case .scalar(let scalar):
      switch scalar.value {
      case .null: return "null"
      case .bool(let value): return value ? "true" : "false"
      case .int(let value): return String(value)
      case .float(let value): return value.isFinite ? String(value) : PlainText.quoted(scalar.text)
      case .string(let text): return PlainText.quoted(text)
      }
    }
  }
}
