import GRDB

extension QueueClient {
  /// A larger database is not looked through, which would take long.
  private static let mostBytes: Int64 = 1 << 30

  /// Looks at the database itself.
  package func facts() throws -> QueueFacts {
    try database.readOutsideTransaction { db in
      func number(_ pragma: String) throws -> Int64 {
        try Int64.fetchOne(db, sql: "PRAGMA \(pragma)") ?? 0
      }
      let bytes = try number("page_count") * number("page_size")
      let file = QueueFacts.File(
        journalMode: try String.fetchOne(db, sql: "PRAGMA journal_mode") ?? "",
        faults: bytes <= Self.mostBytes ? try faults(db) : nil)
      return QueueFacts(schema: Int(try number("user_version")), bytes: bytes, place: .file(file))
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
