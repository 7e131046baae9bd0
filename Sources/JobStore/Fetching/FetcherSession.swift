import Foundation
import GRDB
import Requests

/// The queue for a fetcher: take what jobs name of a hub, say how far it is, and where it lies in the end.
///
/// Every method may be called from any thread, throws `JobStoreError`, and blocks.
package final class FetcherSession: Sendable {
  let database: QueueDatabase
  /// The fetcher's row when it signed on.
  package let record: FetcherRecord

  private init(_ database: QueueDatabase, _ record: FetcherRecord) {
    self.database = database
    self.record = record
  }

  /// The fetcher's name.
  package var name: String { record.name }

  /// A client on the same connection.
  package var client: QueueClient { QueueClient(database) }

  /// Signs a fetcher on. What a fetcher of this machine that is gone was at is wanted again at once.
  /// - Parameters:
  ///   - database: the connection.
  ///   - fetcher: its process.
  ///   - processIsAlive: whether the process of a fetcher on this host still runs.
  package static func signOn(
    _ database: QueueDatabase, _ fetcher: FetcherRecord, processIsAlive: (FetcherRecord) -> Bool
  ) throws -> FetcherSession {
    let record = try database.write { db, now in
      // In a container every fetcher has the same process number, so a row of this name is an earlier one's.
      for old in try FetcherRecord.fetchAll(
        db, sql: "SELECT * FROM fetchers WHERE host = ?", arguments: [fetcher.host])
      where old.name == fetcher.name || !processIsAlive(old) {
        try forget(old.name, db, now)
      }
      var signedOn = fetcher
      (signedOn.startedAt, signedOn.heartbeatAt) = (now, now)
      try sign(signedOn, db, now)
      return signedOn
    }
    return FetcherSession(database, record)
  }

  private static func sign(_ fetcher: FetcherRecord, _ db: Database, _ now: Milliseconds) throws {
    try db.execute(
      sql: """
        INSERT OR REPLACE INTO fetchers (name, pid, host, version, started_at, heartbeat_at) VALUES (?, ?, ?, ?, ?, ?)
        """, arguments: [fetcher.name, fetcher.pid, fetcher.host, fetcher.version, fetcher.startedAt, now])
  }

  /// Removes a fetcher's row. What it was at is wanted again.
  private static func forget(_ fetcher: String, _ db: Database, _ now: Milliseconds) throws {
    try db.execute(
      sql: "UPDATE sources SET state = 'wanted', fetcher = NULL, updated_at = ? WHERE fetcher = ?",
      arguments: [now, fetcher])
    try db.execute(sql: "DELETE FROM fetchers WHERE name = ?", arguments: [fetcher])
  }

  /// Writes the heartbeat, and frees what fetchers that were silent for a minute were at. Call it every few seconds.
  package func beat() throws {
    try database.writeLightly(waiting: 2) { db, now in
      try Self.sign(record, db, now)
      let silent = try FetcherRecord.fetchAll(db.cachedStatement(sql: "SELECT * FROM fetchers"))
        .filter { !$0.isAlive(now: now) }
      for fetcher in silent { try Self.forget(fetcher.name, db, now) }
    }
  }

  /// Checks that the database is still the file that was opened.
  /// - Throws: `JobStoreError.replaced`, `.schemaTooNew`
  package func verify() throws { try database.verify() }

  /// Signs the fetcher off: what it was at is wanted again.
  package func signOff() throws {
    try database.write { db, now in try Self.forget(name, db, now) }
  }

  /// Closes the connection. Later calls throw `JobStoreError.closed`.
  package func close() throws { try database.close() }
}
