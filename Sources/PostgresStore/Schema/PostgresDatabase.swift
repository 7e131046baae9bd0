import GRDB
import JobStore
import Migrations

/// The queue's database on a PostgreSQL server, 15 or newer, which a `PostgresClient` and a `PostgresSession` share.
package struct PostgresDatabase: Sendable {
  let connection: ServerConnection

  /// The oldest server that has all that the queue needs, as `server_version_num`.
  private static let oldestServer = 150_000
  /// The lock of whoever makes or changes the schema.
  private static let migrationLock = 7_366_760_003

  /// Connects, and looks whether this program knows the schema. A client makes the tables only to put jobs in, and leaves
  /// an older schema as it is; a daemon brings it up to date.
  /// - Parameters:
  ///   - address: of the database.
  ///   - role: who opens it.
  ///   - purpose: what for.
  ///   - evenMoved: whether one is opened, too, that was moved elsewhere.
  /// - Throws: `JobStoreError`: `.wrongAddress`, `.unreachable`, `.noQueue`, `.moved`, `.schemaTooNew`, `.schemaTooOld`,
  ///   `.foreignDatabase`, …
  package static func open(
    _ address: ServerAddress, role: QueueDatabase.Role, for purpose: QueueDatabase.Purpose = .creating,
    evenMoved: Bool = false
  ) throws -> PostgresDatabase {
    let database = PostgresDatabase(connection: try ServerConnection(address))
    let known = Migration.postgresql.count
    let found = try database.connection.transaction { link in
      try database.expectServer(link)
      return try database.schema(link)
    }
    guard found <= known else {
      throw JobStoreError.schemaTooNew(path: database.name, found: found, known: known)
    }
    if found == 0 {
      guard role == .daemon || purpose == .creating else { throw JobStoreError.noQueue(path: database.name) }
      try database.migrate()
    } else if found < known {
      guard role == .daemon else {
        throw JobStoreError.schemaTooOld(path: database.name, found: found, known: known)
      }
      try database.migrate()
    }
    if !evenMoved {
      try database.connection.transaction { link in try link.expectHere(database.name) }
    }
    return database
  }

  /// Checks that the tables are still there, with a schema that this program knows.
  /// - Throws: `JobStoreError.noQueue`, `.schemaTooNew`
  func verify() throws {
    let known = Migration.postgresql.count
    let found = try connection.transaction { link in try schema(link) }
    guard found > 0 else { throw JobStoreError.noQueue(path: name) }
    guard found <= known else {
      throw JobStoreError.schemaTooNew(path: name, found: found, known: known)
    }
  }

  /// User, host, port and database.
  var name: String { connection.address.description }

  /// The one row of a statement that always has one.
  /// - Throws: `JobStoreError`
  func row(_ sql: String, _ values: [ServerValue] = []) throws -> Row {
    guard let row = try connection.rows(sql, values).first else {
      throw JobStoreError.refused(server: name, state: "02000", reason: "no answer to: \(sql)")
    }
    return row
  }

  private func expectServer(_ link: ServerLink) throws {
    let version = link.serverVersion
    guard version >= Self.oldestServer else {
      throw JobStoreError.refused(
        server: name, state: "0A000",
        reason: "version \(version / 10_000) is too old: the queue needs PostgreSQL 15 or newer")
    }
  }

  /// The number of the schema; 0: there is none yet.
  private func schema(_ link: ServerLink) throws -> Int {
    let places = try link.answer(
      to: """
        SELECT count(*) FILTER (WHERE relname = 'schema_version') > 0 AS mine, count(*) > 0 AS others
        FROM pg_class
        WHERE relname IN ('schema_version', 'jobs', 'batches', 'events') AND pg_table_is_visible(oid)
        """
    ).rows
    guard let first = places.first else { return 0 }
    let reader = RowReader(row: first, table: "pg_class")
    guard try reader.value("mine") else {
      // Somebody else's tables have these names.
      guard try !reader.value("others") else { throw JobStoreError.foreignDatabase(path: name) }
      return 0
    }
    do {
      let rows = try link.answer(
        to: "SELECT coalesce(max(number), 0) AS number, min(applied_at) AS since FROM schema_version"
      ).rows
      return try rows.first.map { try RowReader(row: $0, table: "schema_version").value("number") } ?? 0
    } catch ServerError.refused("42703", _) {
      throw JobStoreError.foreignDatabase(path: name)
    }
  }

  /// Prompts have any sign there is, and their lengths are counted in signs.
  private func expectUnicode(_ link: ServerLink) throws {
    let rows = try link.answer(to: "SELECT current_setting('server_encoding') AS name").rows
    let encoding: String? = try rows.first.map { try RowReader(row: $0, table: "pg_settings").value("name") }
    guard encoding == "UTF8" else {
      throw JobStoreError.refused(
        server: name, state: "0A000",
        reason: "the database has the encoding \(encoding ?? "of nobody knows what"): make one with "
          + "`createdb --encoding UTF8 --template template0`")
    }
  }

  /// Makes the tables, or brings them up to date: all of it or nothing. Two at once wait for each other.
  private func migrate() throws {
    try connection.transaction { link in
      _ = try link.answer(
        to: "SELECT pg_advisory_xact_lock($1::bigint)", [.integer(Int64(Self.migrationLock))])
      let found = try schema(link)
      if found == 0 { try expectUnicode(link) }
      for migration in Migration.postgresql where migration.number > found {
        do {
          try link.run(script: migration.sql)
        } catch let error as ServerError {
          // A full disk, a server that goes down or one that is only read: this says so.
          switch error.translated(connection.address) {
          case .refused(_, _, let reason), .wrongRow(let reason):
            throw JobStoreError.migrationFailed(path: name, migration: migration.name, reason: reason)
          default: throw error
          }
        }
        _ = try link.answer(
          to: "INSERT INTO schema_version (number, name) VALUES ($1::integer, $2::text)",
          [.integer(Int64(migration.number)), .text(migration.name)])
      }
    }
  }
}
