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
    try database.readOutsideTransaction { db in
      func number(_ pragma: String) throws -> Int64 {
        try Int64.fetchOne(db, sql: "PRAGMA \(pragma)") ?? 0
      }
      let bytes = try number("page_count") * number("page_size")
      let faults = bytes <= mostBytes ? try self.faults(db) : nil
      return QueueFacts(
        schema: Int(try number("user_version")),
        journalMode: try String.fetchOne(db, sql: "PRAGMA journal_mode") ?? "",
        faults: faults,
        bytes: bytes)
    }
  }

  private func faults(_ db: Database) throws -> [String] {
    do {
      let answer = try String.fetchAll(db, sql: "PRAGMA quick_check(5)")
      // SQLite 3.44 and later look into the index of prompts too. A daemon makes that anew, and no search believes it.
      return answer == ["ok"] ? [] : answer.filter { !$0.contains(PromptIndex.prefix) }
    } catch let error as DatabaseError {
      // Some damage ends the check itself.
      guard error.resultCode == .SQLITE_CORRUPT else { throw error }
      return [error.message ?? "damage"]
    }
  }
}
