import Foundation

/// A JSON value that can tell `1` from `true`.
package indirect enum JSONNode: Decodable, Equatable, Sendable {
  case null
  case bool(Bool)
  case number(Double)
  case string(String)
  case list([JSONNode])
  case object([String: JSONNode])

  /// - Throws: `DecodingError` for what is no JSON.
  package init(_ text: String) throws {
    self = try JSONDecoder().decode(JSONNode.self, from: Data(text.utf8))
  }

  /// - Throws: `DecodingError`
  package init(from decoder: any Decoder) throws {
    let value = try decoder.singleValueContainer()
    if value.decodeNil() {
      self = .null
    } else if let flag = try? value.decode(Bool.self) {
      self = .bool(flag)
    } else if let number = try? value.decode(Double.self) {
      self = .number(number)
    } else if let text = try? value.decode(String.self) {
      self = .string(text)
    } else if let list = try? value.decode([JSONNode].self) {
      self = .list(list)
    } else {
      self = .object(try value.decode([String: JSONNode].self))
    }
  }

  /// A member of an object, an element of a list; nil if there is none.
  package subscript(_ key: String) -> JSONNode? {
    switch self {
    case .object(let members): members[key]
    case .list(let elements): Int(key).flatMap { elements.indices.contains($0) ? elements[$0] : nil }
    default: nil
    }
  }

  /// The text that it is; nil for anything else.
  package var string: String? {
    if case .string(let text) = self { text } else { nil }
  }

  /// The elements of the list that it is; nil for anything else.
  package var list: [JSONNode]? {
    if case .list(let elements) = self { elements } else { nil }
  }

  /// The members of the object that it is; nil for anything else.
  package var object: [String: JSONNode]? {
    if case .object(let members) = self { members } else { nil }
  }

  /// The number that it is; nil for anything else.
  package var number: Double? {
    if case .number(let number) = self { number } else { nil }
  }
}
