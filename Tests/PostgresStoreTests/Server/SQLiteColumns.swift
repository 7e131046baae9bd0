import GRDB

/// The columns of an SQLite database.
struct SQLiteColumns {
  let path: String

  func of(_ table: String) throws -> Set<String> {
    try DatabaseQueue(path: path).read { db in
      Set(try String.fetchAll(db, sql: "SELECT name FROM pragma_table_info(?)", arguments: [table]))
    }
  }
}
