import Foundation
import GRDB
import GRDBSQLite
import Migrations

extension QueueDatabase {
  /// Opens a database that may come from anybody, to read plain tables: no view, virtual table or trigger of it is used,
  /// no function called, nothing written.
  /// - Parameters:
  ///   - path: of the file.
  ///   - tables: those that will be read.
  /// - Throws: `JobStoreError`
  static func openUntrusted(_ path: String, tables: [String]) throws -> DatabaseQueue {
    var configuration = Configuration()
    configuration.readonly = true
    configuration.prepareDatabase { db in
      try db.execute(sql: "PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON; PRAGMA mmap_size = 0")
      _ = sqlite3_limit(db.sqliteConnection, SQLITE_LIMIT_LENGTH, 16 << 20)
    }
    do {
      let queue = try DatabaseQueue(path: path, configuration: configuration)
      try queue.read { db in
        guard try Int.fetchOne(db, sql: "PRAGMA application_id") == applicationID else {
          throw JobStoreError.foreignDatabase(path: path)
        }
        let (found, known) = (try Int.fetchOne(db, sql: "PRAGMA user_version") ?? 0, Migration.latest)
        if found > known { throw JobStoreError.schemaTooNew(path: path, found: found, known: known) }
        if found < known { throw JobStoreError.schemaTooOld(path: path, found: found, known: known) }
        for table in tables {
          let isPlain = try Bool.fetchOne(
            db, sql: "SELECT type = 'table' AND rootpage > 0 FROM sqlite_schema WHERE name = ?",
            arguments: [table])
          guard isPlain == true else {
            throw JobStoreError.wrongSchema(path: path, table: table, reason: "it is no plain table")
          }
        }
      }
      return queue
    } catch let error as DatabaseError {
      throw translation(of: error, path: path)
    }
  }
}
