import GRDB

/// Rows that would make an upgrade fail.
extension QueueDatabase {
  /// Tables whose rows are checked, and the column that identifies a row in each.
  private static let checkedTables = [
    ("jobs", "id"), ("batches", "id"), ("models", "name"), ("workers", "name"), ("images", "job, number"),
    ("checkpoints", "job, number"),
  ]

  /// Moves rows that break their table's constraints into the table `set_aside`, as JSON with their table and number.
  /// Such rows are written with constraints switched off, and a migration that touches them would fail.
  func setAsideWrongRows() throws {
    try translated {
      try connection.writeWithoutTransaction { db in
        try db.execute(sql: "PRAGMA foreign_keys = OFF")
        defer { try? db.execute(sql: "PRAGMA foreign_keys = ON") }
        try db.inTransaction(.immediate) {
          for (table, key) in Self.checkedTables where try db.tableExists(table) {
            try Self.setAside(table, key, db, clock().milliseconds)
          }
          return .commit
        }
      }
    }
  }

  private static func setAside(_ table: String, _ key: String, _ db: Database, _ now: Milliseconds) throws {
    // Rows are copied into a table with the same constraints. A row that is missing there breaks one.
    let definition =
      try String.fetchOne(db, sql: "SELECT sql FROM sqlite_schema WHERE name = ?", arguments: [table]) ?? ""
    guard let body = definition.firstIndex(of: "(") else { return }
    try db.execute(sql: "DROP TABLE IF EXISTS temp.checked")
    try db.execute(sql: "CREATE TEMP TABLE checked \(definition[body...])")
    defer { try? db.execute(sql: "DROP TABLE IF EXISTS temp.checked") }
    // The condition matters: without one, SQLite copies whole pages between tables of one form, and checks nothing.
    try db.execute(sql: "INSERT OR IGNORE INTO temp.checked SELECT * FROM main.\(table) WHERE 1")
    let wrong = "(\(key)) NOT IN (SELECT \(key) FROM temp.checked)"
    guard try Int.fetchOne(db, sql: "SELECT count(*) FROM main.\(table) WHERE \(wrong)") ?? 0 > 0 else {
      return
    }
    let columns = try db.columns(in: table).filter { $0.type != "BLOB" }
      .map { "'\($0.name)', substr(\"\($0.name)\", 1, 10000)" }.joined(separator: ", ")
    try db.execute(
      sql: """
        CREATE TABLE IF NOT EXISTS set_aside (
          id INTEGER PRIMARY KEY, at INTEGER NOT NULL, source TEXT NOT NULL, row TEXT NOT NULL) STRICT;
        """)
    try db.execute(
      sql: """
        INSERT INTO set_aside (at, source, row)
        SELECT ?, ?, json_object(\(columns)) FROM main.\(table) WHERE \(wrong)
        """, arguments: [now, table])
    try db.execute(sql: "DELETE FROM main.\(table) WHERE \(wrong)")
  }
}

extension QueueClient {
  /// Rows that an upgrade has set aside, the newest first: when, of which table, and the row as JSON.
  package func setAside() throws -> [(at: Milliseconds, table: String, row: String)] {
    try database.read { db in
      try Row.fetchAll(
        db, sql: "SELECT at, source, substr(row, 1, 2000) AS row FROM set_aside ORDER BY id DESC LIMIT 100"
      )
      .map { row in
        let reader = RowReader(row: row, table: "set_aside")
        return (try reader.value("at"), try reader.value("source"), try reader.value("row"))
      }
    }
  }
}
