import Boundary
import JobStore

/// JSON for printing. Keys keep their order, and absent values are `null`.
enum JSONText {
  case object([(String, JSONText)])
  case array([JSONText])
  case string(String)
  case integer(Int64)
  case number(Double)
  case bool(Bool)
  /// A value that is JSON text already.
  case written(String)
  case null

  /// The JSON on one line, safe for a terminal. Unprintable characters are escaped as in JSON. Nothing is cut.
  var text: String {
    var output = ""
    write(to: &output)
    return output
  }

  static func optional(_ value: String?) -> JSONText { value.map(JSONText.string) ?? .null }
  static func optional(_ value: Int64?) -> JSONText { value.map(JSONText.integer) ?? .null }
  static func optional(_ value: Double?) -> JSONText { value.map(JSONText.number) ?? .null }
  static func integer(_ value: Int) -> JSONText { .integer(Int64(value)) }

  private func write(to output: inout String) {
    switch self {
    case .object(let members):
      output += "{"
      for (index, (key, value)) in members.enumerated() {
        if index > 0 { output += ", " }
        output += PlainText.quoted(key)
        output += ": "
        value.write(to: &output)
      }
      output += "}"
    case .array(let elements):
      output += "["
      for (index, element) in elements.enumerated() {
        if index > 0 { output += ", " }
        element.write(to: &output)
      }
      output += "]"
    case .string(let text): output += PlainText.quoted(text)
    case .integer(let value): output += "\(value)"
    // JSON has no infinity.
    case .number(let value): output += value.isFinite ? "\(value)" : "null"
    case .bool(let value): output += value ? "true" : "false"
    case .written(let text): output += text
    case .null: output += "null"
    }
  }
}
