import Foundation
import GRDB
import Migrations

/// One connection to the queue's SQLite database, which a `QueueClient` and a `WorkerSession` share.
///
/// It may be used from several threads; calls wait for each other. Every change is one `BEGIN IMMEDIATE` transaction,
/// which is durable when the call returns (`synchronous=FULL`) unless its documentation says otherwise. Calls block,
/// so keep them off threads that must not wait and off Swift's cooperative pool.
///
/// Every method throws `JobStoreError`, and what a caller's own closure throws.
package struct QueueDatabase: Sendable {
  /// Who opens the database. Only a daemon checkpoints and migrates.
  package enum Role: Sendable {
    case client, daemon
  }

  /// What it is opened for. A look at a queue that is not there must not make one: its file would belong to whoever
  /// looked first.
  package enum Purpose: Sendable {
    /// To look. Without the right to write, too.
    case reading
    /// To change what is in it.
    case changing
    /// To put jobs in, or to render them: what is not there is made.
    case creating
  }

  /// Path of the database.
  package let path: String

  /// The role that it was opened with.
  package let role: Role

  let connection: StoreConnection
  let clock: @Sendable () -> Date
  /// Gets every SQL statement.
  let trace: (@Sendable (String) -> Void)?
  /// The identity of the file that was opened.
  let place: FilePlace?
  /// What makes the newest schema that this program knows.
  let migrations: [Migration]
  /// Shared by the connections of this process that were made from one another.
  let schemaWatch: SchemaWatch

  init(
    path: String, role: Role, migrations: [Migration], connection: StoreConnection,
    schemaWatch: SchemaWatch = SchemaWatch(), trace: (@Sendable (String) -> Void)?,
    clock: @escaping @Sendable () -> Date
  ) {
    self.path = path
    self.migrations = migrations
    self.schemaWatch = schemaWatch
    self.role = role
    self.connection = connection
    self.trace = trace
    self.clock = clock
    place = FilePlace(of: path)
  }

  /// A second connection, for a thread that may have to wait long. From now on it alone copies the log back: SQLite
  /// before 3.51.3 can lose commits if two connections do so at the same time.
  /// - Throws: `JobStoreError`, `.replaced` if there is another file by now.
  func beside() throws -> QueueDatabase {
    let other = try Self.another(like: self)
    guard other.place == place else { throw JobStoreError.replaced(path: path) }
    try translated {
      try connection.writeWithoutTransaction { db in try db.execute(sql: "PRAGMA wal_autocheckpoint = 0") }
    }
    return other
  }

  /// Checks that the database is still the file that was opened, with a schema that this program knows. If the file
  /// was moved or deleted, this connection would go on with a file that no client sees. If a newer daemon has
  /// migrated it, the tables may have another meaning.
  /// - Throws: `JobStoreError.replaced`, `.schemaTooNew`, `.wrongSchema`
  func verify() throws {
    try verifyPlace()
    let found = try translated {
      try connection.writeWithoutTransaction { db in
        try Int.fetchOne(db.cachedStatement(sql: "PRAGMA user_version")) ?? 0
      }
    }
    guard found <= migrations.count else {
      throw JobStoreError.schemaTooNew(path: path, found: found, known: migrations.count)
    }
    // Without its triggers the counts are no longer true.
    if try mendSchema() { try mend() }
  }

  /// The part of `verify` that asks the file system alone: what it looks for is no commit.
  /// - Throws: `JobStoreError.replaced`
  func verifyPlace() throws {
    guard place == FilePlace(of: path) else { throw JobStoreError.replaced(path: path) }
    // A log of another file's, put there by a restore, or taken away: what this connection writes nobody would see.
    let log = FilePlace(of: path + "-wal")
    guard connection.isLog(log) else { throw JobStoreError.replaced(path: path) }
  }

  /// A log that stays this large is worth a word.
  package static let largeLog: Int64 = 2 << 20

  /// Bytes of the write-ahead log; nil: there is none.
  package var logSize: Int64? {
    var status = stat()
    return stat(path + "-wal", &status) == 0 ? Int64(status.st_size) : nil
  }

  /// Copies the write-ahead log back, as far as nobody reads what was there before.
  /// - Returns: whether all of it could be.
  func copyLogBack() throws -> Bool {
    guard role == .daemon else { return true }
    return try translated {
      try connection.writeWithoutTransaction { db in
        let row = try Row.fetchOne(db, sql: "PRAGMA wal_checkpoint(PASSIVE)")
        guard let pages: Int = row?["log"], let copied: Int = row?["checkpointed"] else { return true }
        return pages <= copied
      }
    }
  }

  /// The longest that this process had to wait for the write lock since the last claim that knew of it.
  var longestWait: Duration { connection.waits.longest }

  /// It is known of.
  func forgetWaits() { connection.waits.forget() }

  /// Closes the connection now rather than with the last copy of this value. Later calls throw
  /// `JobStoreError.closed`.
  package func close() throws {
    try translated { try connection.close() }
  }

  /// Runs `body` on one consistent view of the database.
  func read<Value>(_ body: (Database) throws -> Value) throws -> Value {
    try translated { try connection.read(body) }
  }

  /// Reads without a transaction. A check that finds the file damaged may end with an error, and SQLite then refuses to
  /// commit even what was only read.
  func readOutsideTransaction<Value>(_ body: (Database) throws -> Value) throws -> Value {
    try translated { try connection.writeWithoutTransaction(body) }
  }

  /// Runs `body` in one durable transaction. `body` gets one time for everything that it writes.
  func write<Value>(_ body: (Database, Milliseconds) throws -> Value) throws -> Value {
    try translated {
      try connection.write { db in
        // The time is taken after BEGIN, because waiting for the lock must not make a lease shorter.
        try body(db, clock().milliseconds)
      }
    }
  }

  /// As `write`, but it does not wait: neither for the connection nor for the write lock.
  /// - Throws: `JobStoreError.busy`. It does not count as a wait, because nobody tries again.
  func writeAtOnce<Value>(_ body: (Database, Milliseconds) throws -> Value) throws -> Value {
    try translated {
      try connection.writeWithoutTransaction(waiting: 0) { db in
        try waiting(0, db) { try transaction(db, body) }
      }
    }
  }

  /// A durable transaction that only a wrong row or a changed schema can refuse: then the queue is put right, and it is
  /// tried once more.
  /// - Throws: `JobStoreError.wrongRow` if that was of no use.
  func writeMending<Value>(_ body: (Database, Milliseconds) throws -> Value) throws -> Value {
    do {
      return try write(body)
    } catch let error as JobStoreError where error.mayBeMended {
      try mend()
      return try write(body)
    }
  }

  /// Runs `body` in one transaction without fsync. A power cut may undo it, but a crash of the program cannot. It is
  /// for rows that are soon overwritten: progress, heartbeats, renewed leases.
  /// - Parameter seconds: how long to wait for the connection, and then for the write lock; nil: as long as ever. With 0
  ///   a refusal does not count as a wait, because nobody tries again.
  func writeLightly<Value>(
    waiting seconds: Double? = nil, _ body: (Database, Milliseconds) throws -> Value
  ) throws -> Value {
    do {
      return try writeLightlyOnce(waiting: seconds, body)
    } catch let error as JobStoreError where error.mayBeMended {
      // A trigger of somebody's may have refused it.
      guard try mendSchema() else { throw error }
      return try writeLightlyOnce(waiting: seconds, body)
    }
  }

  private func writeLightlyOnce<Value>(
    waiting seconds: Double?, _ body: (Database, Milliseconds) throws -> Value
  ) throws -> Value {
    try translated {
      try connection.writeWithoutTransaction(waiting: seconds) { db in
        try db.execute(sql: "PRAGMA synchronous = NORMAL")
        let asked = ContinuousClock.now
        let outcome = Result<Value, any Error> {
          do {
            return try waiting(seconds, db) {
              try transaction(db) { db, now in
                connection.waits.got(since: asked)
                return try body(db, now)
              }
            }
          } catch let error as DatabaseError where error.resultCode == .SQLITE_BUSY && seconds != 0 {
            connection.waits.refused(since: asked)
            throw error
          }
        }
        try db.execute(sql: "PRAGMA synchronous = FULL")
        return try outcome.get()
      }
    }
  }

  /// Runs `body` with another patience for the write lock.
  private func waiting<Value>(_ seconds: Double?, _ db: Database, _ body: () throws -> Value) throws -> Value
  {
    guard let seconds else { return try body() }
    try db.execute(sql: "PRAGMA busy_timeout = \(Int(seconds * 1000))")
    defer { try? db.execute(sql: "PRAGMA busy_timeout = \(Self.busySeconds * 1000)") }
    return try body()
  }

  private func transaction<Value>(
    _ db: Database, _ body: (Database, Milliseconds) throws -> Value
  ) throws -> Value {
    var value: Value?
    try db.inTransaction(.immediate) {
      value = try body(db, clock().milliseconds)
      return .commit
    }
    guard let value else {
      throw JobStoreError.database(path: path, code: 0, reason: "a transaction ended without a value")
    }
    return value
  }

  /// Longer than the largest enqueue takes to copy its rows in.
  static let busySeconds = 30

  /// Turns SQLite's errors into `JobStoreError`. Other errors pass.
  func translated<Value>(_ body: () throws -> Value) throws -> Value {
    do {
      return try body()
    } catch let error as DatabaseError {
      throw Self.translation(of: error, path: path)
    }
  }

  /// Which of the two disks is full, SQLite does not say.
  private static func full(path: String, reason: String) -> JobStoreError {
    let temporary = TemporaryFolder()
    return temporary.isFull(unlike: path)
      ? .temporaryFull(folder: temporary.path, reason: reason) : .diskFull(path: path)
  }

  static func translation(of error: DatabaseError, path: String) -> JobStoreError {
    let reason = error.message ?? "unknown"
    return switch error.resultCode {
    case .SQLITE_BUSY, .SQLITE_LOCKED: .busy(path: path)
    case .SQLITE_FULL: full(path: path, reason: reason)
    // Beyond the length that this program reads, too.
    case .SQLITE_CONSTRAINT, .SQLITE_TOOBIG, .SQLITE_MISMATCH: .wrongRow(reason: reason)
    case .SQLITE_IOERR where error.extendedResultCode == .SQLITE_IOERR_GETTEMPPATH:
      .temporaryFull(folder: TemporaryFolder().path, reason: reason)
    case .SQLITE_IOERR, .SQLITE_NOMEM, .SQLITE_PROTOCOL: .inputOutput(path: path, reason: reason)
    case .SQLITE_NOTADB, .SQLITE_CORRUPT: .notADatabase(path: path)
    case .SQLITE_CANTOPEN, .SQLITE_READONLY, .SQLITE_PERM, .SQLITE_AUTH:
      .notAccessible(path: path, reason: reason)
    default: .database(path: path, code: Int(error.extendedResultCode.rawValue), reason: reason)
    }
  }
}
