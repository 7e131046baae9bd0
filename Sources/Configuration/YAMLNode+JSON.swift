extension YAMLNode {
  /// The same as JSON, in the order of the file, as Python's `json` would write what its YAML reader
  /// gives. Infinite numbers, which JSON lacks, become text.
  package var json: String {
    switch content {
    case .sequence(let items):
      return "[" + items.map(\.json).joined(separator: ", ") + "]"
    case .mapping(let entries):
      let pairs = entries.map { "\(YAMLNode.quoted($0.key)): \($0.value.json)" }
      return "{" + pairs.joined(separator: ", ") + "}"
    case .scalar(let scalar):
      switch scalar.value {
      case .null: return "null"
      case .bool(let value): return value ? "true" : "false"
      case .int(let value): return String(value)
      case .float(let value): return value.isFinite ? String(value) : YAMLNode.quoted(scalar.text)
      case .string(let text): return YAMLNode.quoted(text)
      }
    }
  }

  private static func quoted(_ text: String) -> String {
    var result = "\""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\"": result += "\\\""
      case "\\": result += "\\\\"
      case "\n": result += "\\n"
      case _ where scalar.value < 0x20:
        let digits = String(scalar.value, radix: 16)
        result += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
      default: result.unicodeScalars.append(scalar)
      }
    }
    return result + "\""
  }
}
