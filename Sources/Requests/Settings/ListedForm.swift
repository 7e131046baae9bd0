import Foundation

/// An entry of a list. On a command line it is an argument; in JSON it is the same text, or an object.
package protocol ListedForm: Codable, Equatable, Sendable {
  /// What JSON must have for the whole list, for messages.
  static var kind: String { get }
  /// The keys that an object may have. A misspelt one would otherwise be left out in silence.
  static var keys: [String] { get }
  /// Reads an entry from a text. Every text is valid.
  init(text: String)
  /// Reads an entry from a JSON object.
  init(object decoder: any Decoder) throws
}

extension ListedForm {
  /// - Throws: `DecodingError`
  package init(from decoder: any Decoder) throws {
    if let text = try? decoder.singleValueContainer().decode(String.self) {
      self.init(text: text)
      return
    }
    let given = try decoder.container(keyedBy: SettingKey.self).allKeys
    if let unknown = given.first(where: { !Self.keys.contains($0.stringValue) }) {
      throw DecodingError.dataCorrupted(
        DecodingError.Context(codingPath: decoder.codingPath + [unknown], debugDescription: Self.kind))
    }
    try self.init(object: decoder)
  }
}

/// A column holds the list as JSON. A text that is no JSON list is a list with one entry.
extension Array: SettingForm where Element: ListedForm {
  package static var kind: String { Element.kind }

  package init?(text: String) { self = [Element(text: text)] }

  package var text: String { JSONForm.text(self) ?? "[]" }

  /// The list as JSON. Numbers that JSON cannot hold were refused before, so the list is never empty by mistake.
  package var stored: StoredValue { .text(isEmpty ? "[]" : text) }

  package init?(stored: StoredValue) {
    guard case .text(let text) = stored else { return nil }
    if text == "[]" {
      self = []
      return
    }
    guard let list = try? JSONDecoder().decode([Element].self, from: Data(text.utf8)) else { return nil }
    self = list
  }
}

/// The way in which JSON is written here.
enum JSONForm {
  /// JSON with sorted keys and unescaped slashes; nil for numbers that JSON cannot hold.
  static func text(_ value: some Encodable) -> String? {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    return (try? encoder.encode(value)).map { String(decoding: $0, as: UTF8.self) }
  }
}
