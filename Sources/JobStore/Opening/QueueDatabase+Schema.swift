import Foundation
import GRDB
import Migrations
import Synchronization

/// The schema that a daemon has looked at last.
final class SchemaWatch: Sendable {
  /// `PRAGMA schema_version`, which changes with every change of the schema.
  private let seen = Mutex<Int64?>(nil)

  func isNew(_ version: Int64) -> Bool { seen.withLock { $0 != version } }

  func saw(_ version: Int64) { seen.withLock { $0 = version } }
}

/// What somebody has changed in the schema. Whoever may write the file may make a trigger that refuses every claim, or
/// drop the index that finds the next job.
extension QueueDatabase {
  /// Looks at the schema if it has changed since the last look, and puts it right: indexes, triggers and views that are
  /// missing or others are made anew. Foreign triggers and indexes of the queue's tables are removed, and kept as text in
  /// the table `set_aside`. Only a daemon does this.
  /// - Returns: whether something was wrong.
  /// - Throws: `JobStoreError.wrongSchema` if a table is not what it should be: its rows are lost, or mean something
  ///   else.
  @discardableResult
  func mendSchema() throws -> Bool {
    guard role == .daemon else { return false }
    return try translated {
      let version = try connection.read(Self.schemaVersion)
      guard schemaWatch.isNew(version) else { return false }
      let wanted = try SchemaShape.made(by: migrations)
      let found = try connection.read { try SchemaShape($0) }
      if let wrong = found.wrongTable(like: wanted) {
        throw JobStoreError.wrongSchema(path: path, table: wrong.name, reason: wrong.reason)
      }
      if Self.foreign(in: found, wanted).isEmpty && Self.missing(in: found, wanted).isEmpty {
        schemaWatch.saw(version)
        return false
      }
      try connection.write { db in
        // Once more under the lock: another daemon may have been faster.
        let found = try SchemaShape(db)
        for (name, part) in Self.foreign(in: found, wanted) {
          try db.execute(
            sql: """
              INSERT INTO set_aside (at, source, row)
              VALUES (?, ?, json_object('name', ?, 'table', ?, 'sql', substr(?, 1, 10000)))
              """,
            arguments: [clock().milliseconds, part.kind, name, part.table, part.sql])
          try db.execute(sql: "DROP \(part.kind.uppercased()) \(name.quotedDatabaseIdentifier)")
        }
        for (_, part) in Self.missing(in: try SchemaShape(db), wanted) { try db.execute(sql: part.sql) }
        schemaWatch.saw(try Self.schemaVersion(db))
      }
      return true
    }
  }

  private static func schemaVersion(_ db: Database) throws -> Int64 {
    try Int64.fetchOne(db, sql: "PRAGMA schema_version") ?? 0
  }

  /// Parts of the queue's tables that no migration makes, or that have the name of one.
  private static func foreign(
    in found: SchemaShape, _ wanted: SchemaShape
  ) -> [(name: String, part: SchemaShape.Part)] {
    found.parts.filter { name, part in
      if let own = wanted.parts[name] { return part != own }
      return part.kind != "view" && (wanted.tables[part.table] != nil || wanted.parts[part.table] != nil)
    }.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
  }

  private static func missing(
    in found: SchemaShape, _ wanted: SchemaShape
  ) -> [(name: String, part: SchemaShape.Part)] {
    // In the order of their names. Some views are of others, but SQLite looks for those only when a view is read.
    wanted.parts.filter { found.parts[$0.key] != $0.value }.sorted { $0.key < $1.key }.map {
      ($0.key, $0.value)
    }
  }

  /// The number of the schema of a database whose `user_version` or `application_id` somebody has changed, by its
  /// tables; nil: they are no queue's.
  func schemaByTables() throws -> Int? {
    try translated {
      let found = try connection.read { try SchemaShape($0) }
      for count in stride(from: migrations.count, to: 0, by: -1) {
        if try found.wrongTable(like: SchemaShape.made(by: migrations.prefix(count))) == nil { return count }
      }
      return nil
    }
  }

  /// Marks the database as a queue of that schema.
  func mark(schema: Int) throws {
    try translated {
      try connection.write { db in
        try db.execute(sql: "PRAGMA application_id = \(Self.applicationID); PRAGMA user_version = \(schema)")
      }
    }
  }
}
