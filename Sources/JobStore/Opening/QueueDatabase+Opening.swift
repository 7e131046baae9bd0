import Foundation
import GRDB
import GRDBSQLite
import Migrations

extension QueueDatabase {
  /// Marks a segmoe database: "SGMO" in `PRAGMA application_id`.
  static let applicationID = 0x5347_4D4F

  /// Opens the queue. If it does not exist, it is created with its folders, but only for this purpose.
  ///
  /// If the schema is older, a daemon makes a backup beside the database (`<path>.schema-<number>.<time>.backup`) and
  /// migrates it. A client refuses it.
  /// - Parameters:
  ///   - path: of the database file.
  ///   - role: who opens it.
  ///   - purpose: what for.
  ///   - evenMoved: whether one is opened, too, that was moved elsewhere.
  ///   - clock: the current time; tests replace it.
  ///   - trace: gets every SQL statement with its values, for a debugging log and for tests.
  /// - Throws: `JobStoreError`: `.noQueue`, `.moved`, `.notPermitted`, `.notAccessible`, `.notADatabase`, `.foreignDatabase`,
  ///   `.schemaTooNew`, `.schemaTooOld`, `.migrationFailed`, `.diskFull`, `.busy`.
  package static func open(
    path: String, role: Role, for purpose: Purpose = .creating, evenMoved: Bool = false,
    clock: @escaping @Sendable () -> Date = { Date() },
    trace: (@Sendable (String) -> Void)? = nil
  ) throws -> QueueDatabase {
    try open(
      path: path, role: role, for: purpose, evenMoved: evenMoved, migrations: Migration.all, clock: clock,
      trace: trace)
  }

  /// Opens the queue with other migrations; tests have more of them.
  package static func open(
    path: String, role: Role, for purpose: Purpose = .creating, evenMoved: Bool = false,
    migrations: [Migration],
    clock: @escaping @Sendable () -> Date = { Date() }, trace: (@Sendable (String) -> Void)? = nil
  ) throws -> QueueDatabase {
    // Whoever does not know of servers would make a file of that name.
    guard !isServer(path) else { throw JobStoreError.notOnServer(what: "this program") }
    if purpose == .creating {
      try makeFolder(of: path)
      makeFile(path)
    }
    try look(path, for: purpose)
    let rights = QueueRights(of: path)
    let connection: StoreConnection
    do {
      if rights.refusal == nil {
        connection = StoreConnection(
          try DatabaseQueue(path: path, configuration: configuration(role, trace)), path: path)
      } else if purpose == .reading && access(path, R_OK) == 0 {
        connection = try reader(path, configuration(role, trace))
      } else {
        throw rights.refusal ?? .notAccessible(path: path, reason: "its permissions have just changed")
      }
    } catch let error as DatabaseError {
      throw translation(of: error, path: path)
    }
    let store = QueueDatabase(
      path: path, role: role, migrations: migrations, connection: connection, trace: trace, clock: clock)
    try store.prepare(migrations, for: purpose)
    try store.mendSchema()
    try store.limitReading()
    if !evenMoved { try store.read { db in try db.expectHere(path) } }
    return store
  }

  /// Opens the queue once more, as it is.
  static func another(like store: QueueDatabase) throws -> QueueDatabase {
    do {
      let connection = StoreConnection(
        try DatabaseQueue(
          path: "file://\(escaped(store.path))?mode=rw", configuration: configuration(store.role, store.trace)
        ),
        path: store.path, waits: store.connection.waits)
      let other = QueueDatabase(
        path: store.path, role: store.role, migrations: store.migrations, connection: connection,
        schemaWatch: store.schemaWatch, trace: store.trace, clock: store.clock)
      try other.limitReading()
      return other
    } catch let error as DatabaseError {
      // Moved away while it was opened: that it cannot be read says less.
      guard store.place == FilePlace(of: store.path) else { throw JobStoreError.replaced(path: store.path) }
      throw translation(of: error, path: store.path)
    }
  }

  /// A connection for somebody who may read the queue and no more. SQLite needs the log's index beside it. If nobody
  /// has the queue open, there is none, and he may make none: the file is then as good as one that nobody changes.
  private static func reader(_ path: String, _ configuration: Configuration) throws -> StoreConnection {
    var configuration = configuration
    configuration.readonly = true
    let open = { try DatabaseQueue(path: path, configuration: configuration) }
    guard access(path + "-wal", F_OK) != 0 else { return StoreConnection(try open(), path: path) }
    let still = try DatabaseQueue(
      path: "file://\(escaped(path))?immutable=1", configuration: configuration)
    return StoreConnection(still, path: path) {
      access(path + "-wal", F_OK) == 0 ? try open() : nil
    }
  }

  /// The whole path as a URI has it.
  private static func escaped(_ path: String) -> String {
    URL(fileURLWithPath: path).path.replacingOccurrences(of: "%", with: "%25").replacingOccurrences(
      of: "?", with: "%3f"
    )
    .replacingOccurrences(of: "#", with: "%23")
  }

  private static func makeFolder(of path: String) throws {
    let folder = URL(fileURLWithPath: path).deletingLastPathComponent().path
    do {
      try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    } catch let error as CocoaError where error.code == .fileWriteNoPermission {
      throw QueueRights.refusal(toMake: folder)
    } catch {
      throw JobStoreError.notAccessible(path: path, reason: "its folder \(folder) can't be made")
    }
  }

  /// - Throws: `JobStoreError.noQueue`, `.notPermitted`, `.notAccessible` for a folder.
  private static func look(_ path: String, for purpose: Purpose) throws {
    var status = stat()
    guard stat(path, &status) == 0 else {
      let code = errno
      if code == ENOENT && purpose != .creating { throw JobStoreError.noQueue(path: path) }
      if code == ENOENT || code == EACCES, let refusal = QueueRights(of: path).refusal { throw refusal }
      throw JobStoreError.notAccessible(path: path, reason: String(cString: strerror(code)))
    }
    if status.st_mode & S_IFMT == S_IFDIR {
      throw JobStoreError.notAccessible(path: path, reason: "it is a folder")
    }
  }

  /// Creates the file, because SQLite would never make it writable for its group, whatever the umask allows. SQLite
  /// gives its other files the same permissions. A folder that is writable for its group and hands the group on is
  /// shared, such as the service's. There the file is the group's too, whoever makes it and whatever his umask; else
  /// the service could not write to a queue that a member made. Errors are ignored here, because opening the file
  /// reports them.
  private static func makeFile(_ path: String) {
    let descriptor = Glibc.open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0o666)
    guard descriptor >= 0 else { return }
    defer { Glibc.close(descriptor) }
    var folder = stat()
    let place = URL(fileURLWithPath: path).deletingLastPathComponent().path
    let shared = mode_t(S_ISGID | S_IWGRP)
    guard stat(place, &folder) == 0, folder.st_mode & shared == shared else { return }
    _ = fchmod(descriptor, 0o660)
  }

  private static func configuration(_ role: Role, _ trace: (@Sendable (String) -> Void)?) -> Configuration {
    var configuration = Configuration()
    configuration.label = "segmoe queue"
    configuration.busyMode = .timeout(Double(busySeconds))
    configuration.foreignKeysEnabled = true
    if let trace {
      // The log may show values, because people who may read the log may read the queue.
      configuration.publicStatementArguments = true
      configuration.prepareDatabase { db in db.trace { trace($0.expandedDescription) } }
    }
    configuration.prepareDatabase { db in
      // Triggers and views in a hostile file must not call functions with side effects.
      try db.execute(sql: "PRAGMA trusted_schema = OFF")
      try db.execute(sql: "PRAGMA synchronous = FULL")
      // SQLite before 3.51.3 can lose commits if two connections checkpoint at the same time, so only the daemon
      // does. It does so every megabyte, because a large log could fill a small disk, and copying it back takes room
      // too.
      try db.execute(sql: "PRAGMA wal_autocheckpoint = \(role == .daemon ? 256 : 0)")
      try db.execute(sql: "PRAGMA journal_size_limit = 67108864")
    }
    return configuration
  }

  /// Migrates the database to the newest schema, or throws the reason why it cannot.
  private func prepare(_ migrations: [Migration], for purpose: Purpose) throws {
    let latest = migrations.count
    var found = try translated { try connection.read(Self.schema) }
    if role == .daemon, found.isDoubtful, let number = try schemaByTables() {
      try mark(schema: number)
      found = Schema(number: number, isForeign: false, isDoubtful: false)
    }
    guard !found.isForeign else { throw JobStoreError.foreignDatabase(path: path) }
    // An empty file: whoever makes the queue has just begun, or never got further.
    if found.number == 0 && purpose != .creating { throw JobStoreError.noQueue(path: path) }
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
    // A new database is made in one transaction. Otherwise it would look like an old one to other processes in
    // between, or after a crash.
    try apply(migrations, to: 0)
    // Another process may have been faster, perhaps with an older program.
    if try translated({ try connection.read(Self.schema) }).number != latest {
      try prepare(migrations, for: purpose)
    }
  }

  /// Values beyond this are errors of SQLite's rather than memory of ours. A resume state of the largest picture is
  /// below.
  private static let longestValue: Int32 = 128 << 20

  private func limitReading() throws {
    try translated {
      try connection.writeWithoutTransaction { db in
        _ = sqlite3_limit(db.sqliteConnection, SQLITE_LIMIT_LENGTH, Self.longestValue)
        // What a daemon sorts is little, once the queue is upgraded. A full folder for temporary files must not keep it
        // from claiming a job.
        if role == .daemon { try db.execute(sql: "PRAGMA temp_store = MEMORY") }
      }
    }
  }

  private struct Schema {
    var number: Int
    var isForeign: Bool
    /// It has tables, and says that it has none, or is another program's. Somebody may have changed its marks.
    var isDoubtful: Bool
  }

  private static func schema(_ db: Database) throws -> Schema {
    let number = try Int.fetchOne(db, sql: "PRAGMA user_version") ?? 0
    let application = try Int.fetchOne(db, sql: "PRAGMA application_id") ?? 0
    let tables = try Int.fetchOne(db, sql: "SELECT count(*) FROM sqlite_schema") ?? 0
    let isEmpty = number == 0 && application == 0 && tables == 0
    let isForeign = application != applicationID && !isEmpty
    return Schema(
      number: number, isForeign: isForeign, isDoubtful: tables > 0 && (isForeign || number <= 0))
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

  /// Turns on the write-ahead log. Two processes that create the database at the same time collide here, and SQLite
  /// does not wait by itself.
  private func useWriteAheadLog() throws {
    for attempt in 1... {
      do {
        try connection.writeWithoutTransaction { db in
          try db.execute(sql: "PRAGMA journal_mode = WAL")
        }
        return
      } catch let error as DatabaseError where error.resultCode == .SQLITE_BUSY && attempt < 100 {
        usleep(20_000)
      } catch let error as DatabaseError {
        throw Self.translation(of: error, path: path)
      }
    }
  }

  /// Applies migrations in one transaction, unless another process has done so.
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
