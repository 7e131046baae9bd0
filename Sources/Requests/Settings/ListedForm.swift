import Foundation

/// An entry of a list: one argument on a command line; in JSON that argument as text, or an object.
package protocol ListedForm: Codable, Equatable, Sendable {
  /// What JSON has to hold for the whole list.
  static var kind: String { get }
  /// Every text is an entry.
  init(text: String)
  /// From an object of JSON.
  init(object decoder: any Decoder) throws
}

extension ListedForm {
  /// - Throws: `DecodingError`
  package init(from decoder: any Decoder) throws {
    if let text = try? decoder.singleValueContainer().decode(String.self) {
      self.init(text: text)
    } else {
      try self.init(object: decoder)
    }
  }
}

/// A column holds the list as JSON; one text is a list of one.
extension Array: SettingForm where Element: ListedForm {
  package static var kind: String { Element.kind }

  package init?(text: String) { self = [Element(text: text)] }

  package var text: String { JSONForm.text(self) ?? "[]" }

  /// Numbers that JSON cannot hold are refused before anything is stored, so that this is never empty by mistake.
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

/// JSON as we write it.
enum JSONForm {
  /// Keys in order, slashes as they are; nil for numbers that JSON cannot hold.
  static func text(_ value: some Encodable) -> String? {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    return (try? encoder.encode(value)).map { String(decoding: $0, as: UTF8.self) }
  }
}
