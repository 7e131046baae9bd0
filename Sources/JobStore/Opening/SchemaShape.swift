import GRDB
import Migrations

/// What a database is made of: its tables, and the texts of its indexes, triggers and views.
struct SchemaShape {
  /// A table, as far as programs depend on it. An upgrade may have written its text in another way.
  struct Table: Equatable {
    /// Name, type, NOT NULL and place in the primary key, in order of the names.
    var columns: [String]
    var isStrict: Bool
    var hasRowid: Bool

    /// What differs from the table that should be there, in words.
    func difference(from wanted: Table) -> String? {
      let missing = wanted.columns.filter { !columns.contains($0) }
      if let column = missing.first { return "column \(column) is missing or another" }
      // Columns that somebody added are in nobody's way.
      return isStrict == wanted.isStrict && hasRowid == wanted.hasRowid ? nil : "it was made in another way"
    }
  }

  /// An index, a trigger or a view.
  struct Part: Equatable {
    var kind: String
    var table: String
    var sql: String

    /// The text without what means nothing.
    private var words: [Substring] { sql.split(whereSeparator: \.isWhitespace) }

    static func == (one: Part, other: Part) -> Bool {
      one.kind == other.kind && one.table == other.table && one.words == other.words
    }
  }

  private(set) var tables: [String: Table] = [:]
  private(set) var parts: [String: Part] = [:]

  /// The shape of a database that is open.
  init(_ db: Database) throws {
    for row in try Row.fetchAll(
      db, sql: "SELECT name, strict, wr FROM pragma_table_list WHERE schema = 'main' AND type = 'table'")
    {
      let reader = RowReader(row: row, table: "sqlite_schema")
      let name: String = try reader.value("name")
      let columns = try String.fetchAll(
        db,
        sql: """
          SELECT name || ' ' || upper(type) || iif("notnull", ' NOT NULL', '') || iif(pk, ' KEY ' || pk, '')
          FROM pragma_table_info(?) ORDER BY name
          """, arguments: [name])
      tables[name] = Table(
        columns: columns, isStrict: try reader.value("strict"),
        hasRowid: try !reader.value("wr", as: Bool.self))
    }
    for row in try Row.fetchAll(
      db,
      sql: """
        SELECT type, name, tbl_name, sql FROM sqlite_schema
        WHERE type IN ('index', 'trigger', 'view') AND sql IS NOT NULL
        """)
    {
      let reader = RowReader(row: row, table: "sqlite_schema")
      parts[try reader.value("name")] = Part(
        kind: try reader.value("type"), table: try reader.value("tbl_name"), sql: try reader.value("sql"))
    }
  }

  /// The shape that migrations make.
  static func made(by migrations: some Collection<Migration>) throws -> SchemaShape {
    let memory = try DatabaseQueue()
    return try memory.writeWithoutTransaction { db in
      for migration in migrations { try db.execute(sql: migration.sql) }
      return try SchemaShape(db)
    }
  }

  /// The first table that is missing or another, and what is wrong with it; nil: all are right.
  func wrongTable(like wanted: SchemaShape) -> (name: String, reason: String)? {
    for (name, table) in wanted.tables.sorted(by: { $0.key < $1.key }) where !name.hasPrefix("sqlite_") {
      guard let found = tables[name] else { return (name, "it is missing, or something else has its name") }
      if let difference = found.difference(from: table) { return (name, difference) }
    }
    return nil
  }
}
