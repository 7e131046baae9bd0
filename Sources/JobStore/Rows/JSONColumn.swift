import Foundation

/// Lists and small values that a job keeps as JSON in one column.
enum JSONColumn {
  /// The column's text.
  /// - Throws: `JobStoreError.invalidSetting` for numbers that JSON cannot hold.
  static func text(_ list: [some Encodable], column: String) throws -> String {
    try list.isEmpty ? "[]" : encoded(list, column: column)
  }

  /// The same for a value with members.
  static func text(_ value: FramingSettings, column: String) throws -> String {
    try encoded(value, column: column)
  }

  private static func encoded(_ value: some Encodable, column: String) throws -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    do {
      return String(decoding: try encoder.encode(value), as: UTF8.self)
    } catch {
      throw JobStoreError.invalidSetting(name: column, value: "\(value)", rule: "use finite weights")
    }
  }

  /// - Throws: `JobStoreError.damagedRow`
  static func list<Element: Decodable>(_ text: String, column: String) throws -> [Element] {
    try text == "[]" ? [] : value(text, column: column)
  }

  /// - Throws: `JobStoreError.damagedRow`
  static func value<Value: Decodable>(_ text: String, column: String) throws -> Value {
    do {
      return try JSONDecoder().decode(Value.self, from: Data(text.utf8))
    } catch {
      throw JobStoreError.damagedRow(table: "jobs", column: column, value: text)
    }
  }
}
