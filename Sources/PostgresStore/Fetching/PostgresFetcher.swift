import Foundation
import JobStore
import Synchronization

/// The queue on PostgreSQL for a fetcher: the same as `FetcherSession` is on SQLite. It fetches for the daemons of its host:
/// first what nobody has, then what another host has fetched and a daemon of this one lacks.
package final class PostgresFetcher: JobFetcher {
  let database: PostgresDatabase
  /// The fetcher's row when it signed on.
  package let record: FetcherRecord
  /// The sources that it has taken and not ended. Held through a claim, so that what was taken and is not among them is of a
  /// claim whose answer was lost.
  let atWork = Mutex<Set<Int64>>([])

  private init(_ database: PostgresDatabase, _ record: FetcherRecord) {
    self.database = database
    self.record = record
  }

  package var name: String { record.name }
  package var queue: any JobQueue { PostgresClient(database) }

  /// Signs a fetcher on. What a fetcher of this machine that is gone was at is wanted again at once.
  /// - Parameters:
  ///   - database: the queue.
  ///   - fetcher: its process.
  ///   - processIsAlive: whether the process of a fetcher on this host still runs.
  package static func signOn(
    _ database: PostgresDatabase, _ fetcher: FetcherRecord, processIsAlive: (FetcherRecord) -> Bool
  ) throws -> PostgresFetcher {
    // Processes have the times of this machine.
    let ahead = Date().milliseconds &- (try PostgresClient(database).now())
    let others = try database.connection.rows(
      "SELECT * FROM fetchers WHERE host = $1::text AND name <> $2::text",
      [.text(fetcher.host), .text(fetcher.name)]
    ).map { try FetcherRecord(row: $0) }
    for var other in others {
      other.heartbeatAt &+= ahead
      guard !processIsAlive(other) else { continue }
      _ = try database.connection.rows("SELECT forget_fetcher($1::text)", [.text(other.name)])
    }
    var record = fetcher
    record.startedAt = try beat(record, startedAt: nil, database)
    record.heartbeatAt = record.startedAt
    return PostgresFetcher(database, record)
  }

  private static func beat(
    _ record: FetcherRecord, startedAt: Milliseconds?, _ database: PostgresDatabase
  ) throws -> Milliseconds {
    let row = try database.row(
      "SELECT beat_fetcher($1::text, $2::integer, $3::text, $4::text, $5::bigint) AS started",
      [
        .text(record.name), .integer(Int64(record.pid)), .text(record.host), .text(record.version),
        .integer(startedAt),
      ])
    return try RowReader(row: row, table: "fetchers").value("started")
  }

  /// Writes the heartbeat, and frees what fetchers that were silent for a minute were at.
  package func beat() throws { _ = try Self.beat(record, startedAt: record.startedAt, database) }

  /// Checks that the queue is here, with a schema that this program knows.
  package func verify() throws {
    try database.verify()
    try database.connection.transaction { link in try link.expectHere(database.name) }
  }

  /// Signs the fetcher off: what it was at is wanted again.
  package func signOff() throws {
    _ = try database.connection.rows("SELECT forget_fetcher($1::text)", [.text(name)])
  }

  /// Closes the connection.
  package func close() throws { database.connection.close() }

  /// Every machine may have a fetcher.
  package var lookPause: Double { 1 }

  /// Who enqueues tells of it, unless a pooler is between.
  package func newsDescriptor() -> Int32? { database.connection.descriptor(listeningTo: "segmoe_work") }

  /// Takes in what was said.
  package func hears() -> Bool { database.connection.hears() }
}
