import Foundation

/// Lists that a job keeps as JSON in one column.
enum JSONColumn {
  /// The column's text.
  /// - Throws: `JobStoreError.invalidSetting` for numbers that JSON cannot hold.
  static func text(_ list: [some Encodable], column: String) throws -> String {
    if list.isEmpty { return "[]" }
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    do {
      return String(decoding: try encoder.encode(list), as: UTF8.self)
    } catch {
      throw JobStoreError.invalidSetting(name: column, value: "\(list)", rule: "use finite weights")
    }
  }

  /// - Throws: `JobStoreError.damagedRow`
  static func list<Element: Decodable>(_ text: String, column: String) throws -> [Element] {
    if text == "[]" { return [] }
    do {
      return try JSONDecoder().decode([Element].self, from: Data(text.utf8))
    } catch {
      throw JobStoreError.damagedRow(table: "jobs", column: column, value: text)
    }
  }
}
