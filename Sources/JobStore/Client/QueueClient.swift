import Foundation
import GRDB

/// The queue for clients: enqueue jobs, read them, cancel, retry and so on. It can neither claim a job nor record its
/// result; that needs a `WorkerSession`.
///
/// The methods do not depend on SQLite, so another store could implement them. Calls block, so keep them off threads
/// that must not wait and off Swift's cooperative pool. Every method throws `JobStoreError`, and what a caller's own
/// closure throws.
package struct QueueClient: Sendable {
  let database: QueueDatabase

  /// Opens a client with a connection of its own.
  /// - Parameters:
  ///   - path: the path of the database.
  ///   - purpose: what for. To create it is the only one that makes what is not there.
  ///   - clock: the current time; tests replace it.
  /// - Throws: as `QueueDatabase.open`.
  package static func open(
    path: String, for purpose: QueueDatabase.Purpose = .creating,
    clock: @escaping @Sendable () -> Date = { Date() }
  ) throws -> QueueClient {
    QueueClient(try QueueDatabase.open(path: path, role: .client, for: purpose, clock: clock))
  }

  /// A client that shares a connection.
  package init(_ database: QueueDatabase) {
    self.database = database
  }

  /// Path of the database.
  package var path: String { database.path }

  /// Bytes of the log that has yet to be copied into the database. Megabytes mean that a reader keeps it from that.
  package var logSize: Int64 { database.logSize ?? 0 }

  /// The time by this machine's clock, which the rows are written by.
  package func now() -> Milliseconds { database.clock().milliseconds }

  /// A number that changes whenever another connection commits. If it is the same as before, there is nothing new. It
  /// is cheap enough to be read a hundred times per second.
  package func changeMark() throws -> Int64 {
    try database.translated {
      try database.connection.writeWithoutTransaction { db in
        try Int64.fetchOne(db.cachedStatement(sql: "PRAGMA data_version")) ?? 0
      }
    }
  }

  /// A file is there for the asking.
  package var lookPause: TimeInterval { 0.05 }

  /// Checks that the database is still the file that was opened, with a schema that this program knows.
  /// - Throws: `JobStoreError.replaced`, `.schemaTooNew`
  package func verify() throws { try database.verify() }
}
