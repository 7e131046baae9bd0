import Checkpoints

extension JSONValue {
  /// Indented by two spaces a level, keys sorted, as diffusers writes its configurations.
  func pretty(indent: String = "") -> String {
    let inner = indent + "  "
    switch self {
    case .object(let members) where !members.isEmpty:
      let lines = members.sorted { $0.key < $1.key }.map {
        "\(inner)\(JSONValue.string($0.key)): \($0.value.pretty(indent: inner))"
      }
      return "{\n" + lines.joined(separator: ",\n") + "\n\(indent)}"
    case .array(let elements) where !elements.isEmpty:
      let lines = elements.map { inner + $0.pretty(indent: inner) }
      return "[\n" + lines.joined(separator: ",\n") + "\n\(indent)]"
    default:
      return description
    }
  }
}
