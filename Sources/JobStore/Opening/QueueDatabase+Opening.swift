import Foundation
import GRDB
import GRDBSQLite
import Migrations

extension QueueDatabase {
  /// Marks the file as ours: "SGMO" in `PRAGMA application_id`.
  static let applicationID = 0x5347_4D4F

  /// Opens the queue, and makes it (with its folders) when there is none.
  ///
  /// A daemon brings an older schema up to date after a backup beside the database
  /// (`<path>.schema-<number>.<time>.backup`); a client refuses it.
  /// - Parameters:
  ///   - path: Of the database file.
  ///   - role: who opens it.
  ///   - clock: What time it is, for tests.
  ///   - trace: Gets every SQL statement with its values, for a debugging log and for tests.
  /// - Throws: `JobStoreError`: `.notAccessible`, `.notADatabase`, `.foreignDatabase`, `.schemaTooNew`,
  ///   `.schemaTooOld`, `.migrationFailed`, `.diskFull`, `.busy`.
  package static func open(
    path: String, role: Role, clock: @escaping @Sendable () -> Date = { Date() },
    trace: (@Sendable (String) -> Void)? = nil
  ) throws -> QueueDatabase {
    try open(path: path, role: role, migrations: Migration.all, clock: clock, trace: trace)
  }

  /// As above, with another history of the schema: the tests have one that is longer.
  package static func open(
    path: String, role: Role, migrations: [Migration], clock: @escaping @Sendable () -> Date = { Date() },
    trace: (@Sendable (String) -> Void)? = nil
  ) throws -> QueueDatabase {
    try makeFolder(of: path)
    makeFile(path)
    let store: QueueDatabase
    do {
      let connection = try DatabaseQueue(path: path, configuration: configuration(role, trace))
      store = QueueDatabase(
        path: path, role: role, schema: migrations.count, connection: connection, clock: clock)
    } catch let error as DatabaseError {
      throw translation(of: error, path: path)
    }
    try store.prepare(migrations)
    try store.limitLengths()
    return store
  }

  private static func makeFolder(of path: String) throws {
    let folder = URL(fileURLWithPath: path).deletingLastPathComponent().path
    do {
      try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    } catch {
      throw JobStoreError.notAccessible(path: path, reason: "its folder \(folder) can't be made")
    }
    var isFolder: ObjCBool = false
    if FileManager.default.fileExists(atPath: path, isDirectory: &isFolder), isFolder.boolValue {
      throw JobStoreError.notAccessible(path: path, reason: "it is a folder")
    }
  }

  /// SQLite would make a file that its group can read but not write, whatever the umask allows; the files
  /// beside it get the same permissions. An error here comes again, with a text, when it is opened.
  private static func makeFile(_ path: String) {
    let descriptor = Glibc.open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o666)
    if descriptor >= 0 { Glibc.close(descriptor) }
  }

  private static func configuration(_ role: Role, _ trace: (@Sendable (String) -> Void)?) -> Configuration {
    var configuration = Configuration()
    configuration.label = "segmoe queue"
    configuration.busyMode = .timeout(Double(busySeconds))
    configuration.foreignKeysEnabled = true
    if let trace {
      // Values in plain sight: who may read the log may read the queue.
      configuration.publicStatementArguments = true
      configuration.prepareDatabase { db in db.trace { trace($0.expandedDescription) } }
    }
    configuration.prepareDatabase { db in
      // A hostile file must not get its triggers or views to call anything with side effects.
      try db.execute(sql: "PRAGMA trusted_schema = OFF")
      try db.execute(sql: "PRAGMA synchronous = FULL")
      // SQLite before 3.51.3 can lose commits when two connections checkpoint at once, so one does it.
      // Every megabyte: a log that grows far beyond its database can fill a small disk by itself, and
      // copying it back takes room, too.
      try db.execute(sql: "PRAGMA wal_autocheckpoint = \(role == .daemon ? 256 : 0)")
      try db.execute(sql: "PRAGMA journal_size_limit = 67108864")
    }
    return configuration
  }

  /// Leads the database to the newest schema, or says why not.
  private func prepare(_ migrations: [Migration]) throws {
    let latest = migrations.count
    let found = try translated { try connection.read(Self.schema) }
    guard !found.isForeign else { throw JobStoreError.foreignDatabase(path: path) }
    guard found.number <= latest else {
      throw JobStoreError.schemaTooNew(path: path, found: found.number, known: latest)
    }
    if found.number == latest {
      // A backup that somebody put back may be in another mode.
      if role == .daemon { try useWriteAheadLog() }
      return
    }
    if found.number > 0 {
      guard role == .daemon else {
        throw JobStoreError.schemaTooOld(path: path, found: found.number, known: latest)
      }
      try backUp(schema: found.number)
    }
    try useWriteAheadLog()
    if found.number > 0 { try setAsideWrongRows() }
    guard found.number == 0 else {
      for migration in migrations where migration.number > found.number {
        try apply([migration], to: migration.number - 1)
      }
      return
    }
    // A new one in one transaction: who looks in between, or after a crash, would take it for an old one.
    try apply(migrations, to: 0)
    // Somebody else may have been quicker, perhaps with an older program.
    if try translated({ try connection.read(Self.schema) }).number != latest { try prepare(migrations) }
  }

  /// Values beyond this are errors of SQLite's rather than memory of ours. A resume state of the largest picture is
  /// below.
  private static let longestValue: Int32 = 128 << 20

  private func limitLengths() throws {
    try translated {
      try connection.writeWithoutTransaction { db in
        _ = sqlite3_limit(db.sqliteConnection, SQLITE_LIMIT_LENGTH, Self.longestValue)
      }
    }
  }

  private struct Schema {
    var number: Int
    var isForeign: Bool
  }

  private static func schema(_ db: Database) throws -> Schema {
    let number = try Int.fetchOne(db, sql: "PRAGMA user_version") ?? 0
    let application = try Int.fetchOne(db, sql: "PRAGMA application_id") ?? 0
    let tables = try Int.fetchOne(db, sql: "SELECT count(*) FROM sqlite_schema") ?? 0
    let isEmpty = number == 0 && application == 0 && tables == 0
    return Schema(number: number, isForeign: application != applicationID && !isEmpty)
  }

  private func backUp(schema: Int) throws {
    let backup = SchemaBackup(of: path, schema: schema, at: clock().milliseconds)
    backup.removeAbandoned()
    try backup.make { part in
      try translated {
        try connection.writeWithoutTransaction { db in
          try db.execute(sql: "VACUUM INTO ?", arguments: [part])
        }
      }
    }
  }

  /// Two processes that make the database at once collide here, and SQLite doesn't wait by itself.
  private func useWriteAheadLog() throws {
    for attempt in 1... {
      do {
        try connection.writeWithoutTransaction { db in
          try db.execute(sql: "PRAGMA journal_mode = WAL")
        }
        return
      } catch let error as DatabaseError where error.resultCode == .SQLITE_BUSY && attempt < 100 {
        Thread.sleep(forTimeInterval: 0.02)
      } catch let error as DatabaseError {
        throw Self.translation(of: error, path: path)
      }
    }
  }

  /// Applies migrations in one transaction, unless somebody else was quicker.
  private func apply(_ migrations: [Migration], to schema: Int) throws {
    var name = ""
    do {
      try connection.write { db in
        guard try Self.schema(db).number == schema else { return }
        for migration in migrations {
          name = migration.name
          try db.execute(sql: migration.sql)
          try db.execute(sql: "PRAGMA application_id = \(Self.applicationID)")
          try db.execute(sql: "PRAGMA user_version = \(migration.number)")
        }
      }
    } catch let error as DatabaseError {
      switch Self.translation(of: error, path: path) {
      case .database(_, _, let reason):
        throw JobStoreError.migrationFailed(path: path, migration: name, reason: reason)
      case let other: throw other
      }
    }
  }
}
