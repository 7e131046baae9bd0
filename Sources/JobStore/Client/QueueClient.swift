import Foundation
import GRDB

/// What anybody may do with the queue: put jobs in, read, and say what shall become of them. It cannot claim a job nor
/// write how one ended; that is a `WorkerSession`'s.
///
/// Nothing here is about SQLite but the database inside: another store can stand behind the same methods. Calls block,
/// so keep them off threads that must not wait and off Swift's cooperative pool. Every method throws `JobStoreError`,
/// besides what a caller's own closure throws.
package struct QueueClient: Sendable {
  let database: QueueDatabase

  /// A client of its own connection.
  /// - Parameters:
  ///   - path: of the database; made, with its folder, when there is none.
  ///   - clock: what time it is, for tests.
  /// - Throws: as `QueueDatabase.open`.
  package static func open(
    path: String, clock: @escaping @Sendable () -> Date = { Date() }
  ) throws -> QueueClient {
    QueueClient(try QueueDatabase.open(path: path, role: .client, clock: clock))
  }

  /// A client of a connection that others use, too.
  package init(_ database: QueueDatabase) {
    self.database = database
  }

  /// Where the queue is.
  package var path: String { database.path }

  /// Bytes of the log that has yet to be copied into the database. Megabytes mean that a reader keeps it from that.
  package var logSize: Int64 { database.logSize ?? 0 }

  /// A number that changes whenever another connection commits. Cheap enough to ask a hundred times a
  /// second: when it is the same as before, there is nothing new.
  package func changeMark() throws -> Int64 {
    try database.translated {
      try database.connection.writeWithoutTransaction { db in
        try Int64.fetchOne(db.cachedStatement(sql: "PRAGMA data_version")) ?? 0
      }
    }
  }

  /// Looks whether this is still the queue that was opened, in the form that this program knows.
  /// - Throws: `JobStoreError.replaced`, `.schemaTooNew`
  package func verify() throws { try database.verify() }
}
