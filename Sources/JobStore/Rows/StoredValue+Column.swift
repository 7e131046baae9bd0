import GRDB
import Requests

extension StoredValue {
  /// - Throws: `JobStoreError.damagedRow` for a BLOB, which no setting is.
  init(_ value: DatabaseValue, table: String, column: String) throws {
    switch value.storage {
    case .null: self = .null
    case .int64(let number): self = .integer(number)
    case .double(let number): self = .real(number)
    case .string(let text): self = .text(text)
    case .blob(let data):
      throw JobStoreError.damagedRow(table: table, column: column, value: "\(data.count) bytes")
    }
  }

  /// The value as a statement's argument.
  var databaseValue: DatabaseValue {
    switch self {
    case .null: .null
    case .integer(let number): number.databaseValue
    case .real(let number): number.databaseValue
    case .text(let text): text.databaseValue
    }
  }

  /// The value in a message.
  var short: String {
    switch self {
    case .null: "NULL"
    case .integer(let number): "\(number)"
    case .real(let number): "\(number)"
    case .text(let text): "'\(text.prefix(40))'"
    }
  }
}

extension RowReader {
  /// A column of a setting.
  /// - Throws: `JobStoreError.damagedRow`
  func stored(_ column: String) throws -> StoredValue {
    guard let value: DatabaseValue = row[column] else {
      throw JobStoreError.damagedRow(table: table, column: column, value: "nothing: no such column")
    }
    return try StoredValue(value, table: table, column: column)
  }
}
