import CPostgreSQL
import Foundation
import GRDB
import JobStore

/// One connection of libpq, for one thread at a time. It ends with its last reference.
final class ServerLink {
  let connection: OpaquePointer
  /// Whether it hears of a channel; nil: nobody has asked yet.
  var listens: Bool?
  /// What its transactions need; nil: nobody has asked yet.
  private var manner: Manner?

  /// - Throws: `ServerError`, `.lost` if there is no way in.
  init(_ address: ServerAddress) throws {
    let parameters = address.parameters
    let keywords = parameters.map { strdup($0.keyword) }
    let values = parameters.map { strdup($0.value) }
    defer { (keywords + values).forEach { free($0) } }
    let opened = (keywords.map { UnsafePointer($0) } + [nil]).withUnsafeBufferPointer { keywords in
      (values.map { UnsafePointer($0) } + [nil]).withUnsafeBufferPointer { values in
        PQconnectdbParams(keywords.baseAddress, values.baseAddress, 1)
      }
    }
    guard let opened else { throw ServerError.lost(reason: "no memory is left for a connection") }
    connection = opened
    guard PQstatus(opened) == CONNECTION_OK else {
      throw ServerError.lost(reason: Self.words(PQerrorMessage(opened)))
    }
    // libpq writes notices to standard error otherwise.
    _ = PQsetNoticeProcessor(opened, { _, _ in }, nil)
  }

  deinit { PQfinish(connection) }

  /// Whether it was not lost, as far as libpq knows.
  var isOpen: Bool { PQstatus(connection) == CONNECTION_OK }

  /// Whether nobody on the way can read what goes over it; nil: it goes over no network.
  var isEncrypted: Bool? {
    if PQsslInUse(connection) == 1 { return true }
    let host = PQhost(connection).map { String(cString: $0) } ?? ""
    let address = PQhostaddr(connection).map { String(cString: $0) } ?? ""
    let isHere = host.hasPrefix("/") || address.hasPrefix("127.") || address == "::1"
    return isHere ? nil : false
  }

  /// How a transaction begins.
  private struct Manner {
    /// What is said behind `BEGIN`.
    let settings: String
    /// Whether even a single statement needs a transaction around it.
    let isOdd: Bool
  }

  /// Somebody may have given the server, the database or the user settings with which numbers come rounded, what others have
  /// just done is not seen, or nothing is durable. A pooler lets no setting last longer than a transaction. It is asked at the
  /// first statement: until then a lost connection is none.
  private func neededManner() throws -> Manner {
    if let manner { return manner }
    let row = try answer(
      to: """
        SELECT current_setting('default_transaction_isolation') <> 'read committed' AS is_other,
          concat(
            CASE WHEN current_setting('extra_float_digits')::integer < 1 THEN '; SET LOCAL extra_float_digits = 1' END,
            CASE WHEN current_setting('synchronous_commit') = 'off' THEN '; SET LOCAL synchronous_commit = on' END)
            AS settings
        """
    ).rows.first
    guard let row else { throw ServerError.unexpected(reason: "no settings") }
    let reader = RowReader(row: row, table: "pg_settings")
    let settings: String = try reader.value("settings")
    let found = Manner(
      settings: settings, isOdd: try !settings.isEmpty || reader.value("is_other", as: Bool.self))
    manner = found
    return found
  }

  /// Begins a transaction that sees what others have committed before each of its statements.
  /// - Throws: `ServerError`
  func begin() throws {
    try run(script: "BEGIN ISOLATION LEVEL READ COMMITTED" + neededManner().settings)
  }

  /// The rows of one statement, in a transaction of its own.
  /// - Throws: `ServerError`
  func rows(_ sql: String, _ values: [ServerValue]) throws -> [Row] {
    guard try neededManner().isOdd else { return try answer(to: sql, values).rows }
    return try transaction { try answer(to: sql, values).rows }
  }

  /// Runs `body` in one transaction.
  /// - Throws: `ServerError`, and what `body` throws.
  func transaction<Value>(_ body: () throws -> Value) throws -> Value {
    do {
      try begin()
      let value = try body()
      _ = try answer(to: "COMMIT")
      return value
    } catch {
      _ = try? answer(to: "ROLLBACK")
      throw error
    }
  }

  /// The server's version, as `server_version_num`.
  var serverVersion: Int { Int(PQserverVersion(connection)) }

  /// Bounds how long a transaction may wait for this client: one that is stopped in the middle must not stop everybody else.
  /// - Throws: `ServerError`
  func boundIdleness() throws {
    _ = try answer(to: "SET LOCAL idle_in_transaction_session_timeout = '5s'")
  }

  /// Runs one statement. Without `BEGIN` before it, it is a transaction of its own.
  /// - Parameters:
  ///   - sql: one statement, with $1, $2, … for values.
  ///   - values: in order.
  /// - Throws: `ServerError`
  func answer(to sql: String, _ values: [ServerValue] = []) throws -> ServerAnswer {
    let texts = values.map(\.text)
    guard !texts.contains(where: { $0?.utf8.contains(0) == true }) else { throw ServerError.zeroByte }
    let copies = texts.map { $0.map { strdup($0) } ?? nil }
    defer { copies.forEach { free($0) } }
    let result = copies.map { UnsafePointer<CChar>($0) }.withUnsafeBufferPointer { pointers in
      PQexecParams(connection, sql, Int32(values.count), nil, pointers.baseAddress, nil, nil, 0)
    }
    return try ServerAnswer(
      result, of: connection, expecting: [PGRES_TUPLES_OK.rawValue, PGRES_COMMAND_OK.rawValue])
  }

  /// Runs the statements of a migration, which has no values.
  func run(script: String) throws {
    _ = try ServerAnswer(
      PQexec(connection, script), of: connection,
      expecting: [PGRES_TUPLES_OK.rawValue, PGRES_COMMAND_OK.rawValue])
  }

  /// Copies lines into a table, within a transaction.
  /// - Parameters:
  ///   - sql: `COPY … FROM STDIN`
  ///   - next: the next bytes, of one or more lines; nil at the end.
  func copy(_ sql: String, next: () throws -> [UInt8]?) throws {
    _ = try ServerAnswer(PQexec(connection, sql), of: connection, expecting: [PGRES_COPY_IN.rawValue])
    do {
      while let bytes = try next() {
        let sent = bytes.withUnsafeBufferPointer { buffer in
          buffer.withMemoryRebound(to: CChar.self) {
            PQputCopyData(connection, $0.baseAddress, Int32($0.count))
          }
        }
        guard sent == 1 else { throw ServerError.lost(reason: Self.words(PQerrorMessage(connection))) }
      }
    } catch {
      // The server forgets what it has.
      PQputCopyEnd(connection, "given up")
      drain()
      throw error
    }
    guard PQputCopyEnd(connection, nil) == 1 else {
      throw ServerError.lost(reason: Self.words(PQerrorMessage(connection)))
    }
    let result = PQgetResult(connection)
    defer { drain() }
    _ = try ServerAnswer(result, of: connection, expecting: [PGRES_COMMAND_OK.rawValue])
  }

  /// Reads what is left of an answer.
  private func drain() {
    while let result = PQgetResult(connection) { PQclear(result) }
  }

  private static func words(_ text: UnsafePointer<CChar>?) -> String {
    text.map { String(cString: $0) } ?? "no reason is known"
  }
}
