import GRDB

/// The columns of an SQLite database.
struct SQLiteColumns {
  let path: String

  /// The type of one of them, as it was declared.
  func type(of column: String, in table: String) throws -> String {
    try DatabaseQueue(path: path).read { db in
      try String.fetchOne(
        db, sql: "SELECT type FROM pragma_table_info(?) WHERE name = ?", arguments: [table, column]) ?? ""
    }
  }

  func of(_ table: String) throws -> Set<String> {
    try DatabaseQueue(path: path).read { db in
      Set(try String.fetchAll(db, sql: "SELECT name FROM pragma_table_info(?)", arguments: [table]))
    }
  }
}
