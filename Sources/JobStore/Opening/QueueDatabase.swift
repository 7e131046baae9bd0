import Foundation
import GRDB

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
  /// The identity of the file that was opened.
  private let place: FilePlace?
  /// The newest schema that this program knows.
  private let schema: Int

  init(
    path: String, role: Role, schema: Int, connection: StoreConnection, clock: @escaping @Sendable () -> Date
  ) {
    self.path = path
    self.schema = schema
    self.role = role
    self.connection = connection
    self.clock = clock
    place = FilePlace(of: path)
  }

  /// Checks that the database is still the file that was opened, with a schema that this program knows. If the file
  /// was moved or deleted, this connection would go on with a file that no client sees. If a newer daemon has
  /// migrated it, the tables may have another meaning.
  /// - Throws: `JobStoreError.replaced`, `.schemaTooNew`
  func verify() throws {
    guard place == FilePlace(of: path) else { throw JobStoreError.replaced(path: path) }
    // A log of another file's, put there by a restore, or taken away: what this connection writes nobody would see.
    let log = FilePlace(of: path + "-wal")
    guard connection.isLog(log) else { throw JobStoreError.replaced(path: path) }
    let found = try translated {
      try connection.writeWithoutTransaction { db in
        try Int.fetchOne(db.cachedStatement(sql: "PRAGMA user_version")) ?? 0
      }
    }
    guard found <= schema else { throw JobStoreError.schemaTooNew(path: path, found: found, known: schema) }
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

  /// The longest that a transaction had to wait for the write lock since the last claim that knew of it.
  var longestWait: Duration { connection.longestWait }

  /// It is known of.
  func forgetWaits() { connection.forgetWaits() }

  /// Closes the connection now rather than with the last copy of this value. Later calls throw
  /// `JobStoreError.closed`.
  package func close() throws {
    try translated { try connection.close() }
  }

  /// Runs `body` on one consistent view of the database.
  func read<Value>(_ body: (Database) throws -> Value) throws -> Value {
    try translated { try connection.read(body) }
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

  /// A durable transaction that only a wrong row can refuse: then the queue's rows are put right, and it is tried
  /// once more.
  /// - Throws: `JobStoreError.wrongRow` if that was of no use.
  func writeMending<Value>(_ body: (Database, Milliseconds) throws -> Value) throws -> Value {
    do {
      return try write(body)
    } catch JobStoreError.wrongRow {
      try mend()
      return try write(body)
    }
  }

  /// Runs `body` in one transaction without fsync. A power cut may undo it, but a crash of the program cannot. It is
  /// for rows that are soon overwritten: progress, heartbeats, renewed leases.
  /// - Parameter seconds: how long to wait for the connection, and then for the write lock; nil: as long as ever.
  func writeLightly<Value>(
    waiting seconds: Double? = nil, _ body: (Database, Milliseconds) throws -> Value
  ) throws -> Value {
    try translated {
      try connection.writeWithoutTransaction(waiting: seconds) { db in
        try db.execute(sql: "PRAGMA synchronous = NORMAL")
        if let seconds { try db.execute(sql: "PRAGMA busy_timeout = \(Int(seconds * 1000))") }
        defer {
          if seconds != nil { try? db.execute(sql: "PRAGMA busy_timeout = \(Self.busySeconds * 1000)") }
        }
        let outcome = Result {
          var value: Value?
          let asked = ContinuousClock.now
          do {
            try db.inTransaction(.immediate) {
              connection.waited(since: asked)
              value = try body(db, clock().milliseconds)
              return .commit
            }
          } catch let error as DatabaseError where error.resultCode == .SQLITE_BUSY {
            connection.waited(since: asked)
            throw error
          }
          return value
        }
        try db.execute(sql: "PRAGMA synchronous = FULL")
        guard let value = try outcome.get() else {
          throw JobStoreError.database(path: path, code: 0, reason: "a transaction ended without a value")
        }
        return value
      }
    }
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

  static func translation(of error: DatabaseError, path: String) -> JobStoreError {
    let reason = error.message ?? "unknown"
    return switch error.resultCode {
    case .SQLITE_BUSY, .SQLITE_LOCKED: .busy(path: path)
    case .SQLITE_FULL: .diskFull(path: path)
    // Beyond the length that this program reads, too.
    case .SQLITE_CONSTRAINT, .SQLITE_TOOBIG, .SQLITE_MISMATCH: .wrongRow(reason: reason)
    case .SQLITE_IOERR, .SQLITE_NOMEM, .SQLITE_PROTOCOL: .inputOutput(path: path, reason: reason)
    case .SQLITE_NOTADB, .SQLITE_CORRUPT: .notADatabase(path: path)
    case .SQLITE_CANTOPEN, .SQLITE_READONLY, .SQLITE_PERM, .SQLITE_AUTH:
      .notAccessible(path: path, reason: reason)
    default: .database(path: path, code: Int(error.extendedResultCode.rawValue), reason: reason)
    }
  }
}
