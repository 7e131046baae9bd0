import CPostgreSQL
import Foundation
import GRDB

/// What the server answers to a statement. It is freed with its last reference.
///
/// Its rows are GRDB's, which need no SQLite: what reads and checks the rows of one store reads those of the other.
final class ServerAnswer {
  private let result: OpaquePointer

  /// - Throws: `ServerError.refused`, `.lost`, `.unexpected`
  init(_ result: OpaquePointer?, of connection: OpaquePointer, expecting expected: Set<UInt32>) throws {
    guard let result else {
      throw ServerError.lost(reason: String(cString: PQerrorMessage(connection)))
    }
    self.result = result
    let status = PQresultStatus(result)
    if expected.contains(status.rawValue) { return }
    guard status == PGRES_FATAL_ERROR || status == PGRES_NONFATAL_ERROR else {
      throw ServerError.unexpected(reason: String(cString: PQresStatus(status)))
    }
    // 'C', 'M' and 'H' of libpq. Its detail may quote values of rows.
    guard let state = Self.field(result, "C") else {
      throw ServerError.lost(reason: String(cString: PQerrorMessage(connection)))
    }
    let words = [Self.field(result, "M"), Self.field(result, "H")].compactMap(\.self)
    throw ServerError.refused(state: state, reason: words.joined(separator: "; "))
  }

  deinit { PQclear(result) }

  private static func field(_ result: OpaquePointer, _ code: Character) -> String? {
    code.asciiValue.flatMap { PQresultErrorField(result, Int32($0)) }.map { String(cString: $0) }
  }

  /// All rows. Columns of other types than numbers, flags and bytes are texts.
  var rows: [Row] {
    let columns = (0..<PQnfields(result)).compactMap { index in
      PQfname(result, index).map { (index: index, name: String(cString: $0), type: PQftype(result, index)) }
    }
    return (0..<PQntuples(result)).map { row in
      Row(
        Dictionary(
          columns.map { ($0.name, value(row, $0.index, $0.type) as (any DatabaseValueConvertible)?) }
        ) { first, _ in first })
    }
  }

  /// The values of all rows, in the order of the columns.
  var values: [[DatabaseValue]] {
    let types = (0..<PQnfields(result)).map { PQftype(result, $0) }
    return (0..<PQntuples(result)).map { row in
      types.enumerated().map { column, type in value(row, Int32(column), type) }
    }
  }

  private func value(_ row: Int32, _ column: Int32, _ type: Oid) -> DatabaseValue {
    guard PQgetisnull(result, row, column) == 0, let bytes = PQgetvalue(result, row, column) else {
      return .null
    }
    let text = String(cString: bytes)
    // The numbers of built-in types never change.
    return switch type {
    case 20, 21, 23: Int64(text)?.databaseValue ?? text.databaseValue
    case 700, 701: Double(text)?.databaseValue ?? text.databaseValue
    case 16: (text == "t").databaseValue
    case 17: Self.unescaped(bytes)?.databaseValue ?? text.databaseValue
    default: text.databaseValue
    }
  }

  private static func unescaped(_ text: UnsafePointer<CChar>) -> Data? {
    var count = 0
    return text.withMemoryRebound(to: UInt8.self, capacity: strlen(text)) { bytes in
      guard let plain = PQunescapeBytea(bytes, &count) else { return nil }
      defer { PQfreemem(plain) }
      return Data(bytes: plain, count: count)
    }
  }
}
