import GRDB

/// What the database says of itself, for somebody who looks for faults.
package struct QueueFacts: Sendable, Equatable {
  /// The number of its schema.
  package var schema: Int
  /// `wal` unless somebody has put a backup back and no daemon has started since.
  package var journalMode: String
  /// What SQLite finds wrong with the file; empty if nothing, nil if it was too large to be looked through.
  package var faults: [String]?
  /// Bytes of the database without its log.
  package var bytes: Int64
}

extension QueueClient {
  /// Looks at the database itself.
  /// - Parameter mostBytes: a larger one is not looked through, which would take long.
  package func facts(mostBytes: Int64 = 1 << 30) throws -> QueueFacts {
    try database.read { db in
      func number(_ pragma: String) throws -> Int64 {
        try Int64.fetchOne(db, sql: "PRAGMA \(pragma)") ?? 0
      }
      let bytes = try number("page_count") * number("page_size")
      let answer =
        bytes <= mostBytes ? try String.fetchAll(db, sql: "PRAGMA quick_check(5)") : nil
      return QueueFacts(
        schema: Int(try number("user_version")),
        journalMode: try String.fetchOne(db, sql: "PRAGMA journal_mode") ?? "",
        faults: answer.map { $0 == ["ok"] ? [] : $0 },
        bytes: bytes)
    }
  }
}
