import GRDB

/// Reads columns that may hold anything. A row that was edited by hand must not crash the program.
package struct RowReader {
  let row: Row
  let table: String

  /// - Parameters:
  ///   - row: of either store.
  ///   - table: its name, for messages.
  package init(row: Row, table: String) {
    self.row = row
    self.table = table
  }

  /// A column that is never NULL.
  /// - Throws: `JobStoreError.damagedRow`
  package func value<Value: DatabaseValueConvertible>(
    _ column: String, as: Value.Type = Value.self
  ) throws -> Value {
    guard let value: Value = try optional(column) else {
      throw JobStoreError.damagedRow(table: table, column: column, value: "NULL")
    }
    return value
  }

  /// A column that may be NULL.
  /// - Throws: `JobStoreError.damagedRow`
  package func optional<Value: DatabaseValueConvertible>(
    _ column: String, as: Value.Type = Value.self
  ) throws -> Value? {
    guard let stored: DatabaseValue = row[column] else {
      throw JobStoreError.damagedRow(table: table, column: column, value: "nothing: no such column")
    }
    if stored.isNull { return nil }
    guard let value = Value.fromDatabaseValue(stored) else {
      throw JobStoreError.damagedRow(table: table, column: column, value: "\(stored)")
    }
    return value
  }

  /// A word from a fixed list.
  /// - Throws: `JobStoreError.damagedRow`
  package func word<Value: RawRepresentable>(
    _ column: String, as: Value.Type = Value.self
  ) throws -> Value where Value.RawValue == String {
    let text: String = try value(column)
    guard let value = Value(rawValue: text) else {
      throw JobStoreError.damagedRow(table: table, column: column, value: "'\(text)'")
    }
    return value
  }

  /// A word from a fixed list, or NULL.
  /// - Throws: `JobStoreError.damagedRow`
  func optionalWord<Value: RawRepresentable>(
    _ column: String, as: Value.Type = Value.self
  ) throws -> Value? where Value.RawValue == String {
    try optional(column, as: String.self) == nil ? nil : word(column)
  }
}
