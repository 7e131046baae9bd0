import JobStore
import PostgresStore
import Requests
import TestSupport
import Testing

/// Databases whose owner has set what this program did not expect.
@Suite(.enabled(if: PostgresServer.isInstalled, Comment(rawValue: PostgresServer.absence)))
struct OddServerTests {
  private func open(_ address: String) throws -> PostgresClient {
    PostgresClient(try PostgresDatabase.open(ServerAddress(address), role: .client))
  }

  /// Makes a setting for all who come to a database.
  private func set(_ settings: String..., at address: String) throws {
    let name = try #require(try PostgresServer.sql(at: address, "SELECT current_database()").first)
    for setting in settings { try PostgresServer.sql(at: address, "ALTER DATABASE \(name) SET \(setting)") }
  }

  /// Numbers are not rounded, others' work is seen, and what is answered for is durable.
  @Test(arguments: StoreKind.servers)
  func theUsersSettingsChangeNothing(kind: StoreKind) throws {
    let direct = try PostgresServer.shared().newDatabase()
    _ = try open(direct)
    try set(
      "default_transaction_isolation = 'serializable'", "extra_float_digits = -10",
      "synchronous_commit = off",
      "bytea_output = escape", "\"DateStyle\" = 'German'", "\"TimeZone\" = 'Asia/Kathmandu'",
      "standard_conforming_strings = off", "idle_session_timeout = '1min'", at: direct)
    try PostgresServer.sql(
      at: direct,
      """
      CREATE TABLE seen (level text, commits text);
      CREATE FUNCTION see() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        INSERT INTO seen VALUES (current_setting('transaction_isolation'), current_setting('synchronous_commit'));
        RETURN NULL;
      END $$;
      CREATE TRIGGER seeing AFTER INSERT ON events FOR EACH ROW EXECUTE FUNCTION see();
      """)
    let client = try open(kind == .pooled ? PostgresBouncer.shared().address(direct) : direct)
    var asked = request("a\\'b\\")
    asked.render.guidance = 0.30000000000000004
    try client.enqueue(BatchRequest(), [asked, request("b")])
    #expect(try client.details(job: 1).job.request.render.guidance == 0.30000000000000004)
    #expect(try client.details(job: 1).job.request.render.prompt == "a\\'b\\")
    _ = try client.cancel(.job(2), discard: false)
    #expect(try client.retry(.job(2)) == 1)
    #expect(try PostgresServer.sql(at: direct, "SELECT DISTINCT * FROM seen") == ["read committed|on"])
  }

  /// Somebody holds a lock, or the server has been told to end what takes long. A daemon tries again.
  @Test func whatPassesIsSaidToPass() throws {
    let address = try PostgresServer.shared().newDatabase()
    _ = try open(address)
    let other = try OpenTransaction(at: address, "LOCK TABLE queue IN ACCESS EXCLUSIVE MODE")
    try set("lock_timeout = '50ms'", at: address)
    let locked = storeError { _ = try open(address).status() }
    guard case .busy? = locked else {
      Issue.record("another error: \(String(describing: locked))")
      return
    }
    #expect(locked?.passesByItself == true)
    try set("lock_timeout = 0", "statement_timeout = '100ms'", at: address)
    let ended = storeError { _ = try open(address).status() }
    guard case .inputOutput? = ended else {
      Issue.record("another error: \(String(describing: ended))")
      return
    }
    #expect(ended?.passesByItself == true)
    try other.commit()
  }

  /// As one is that follows another which others write to.
  @Test func aServerThatIsOnlyReadSaysSo() throws {
    let address = try PostgresServer.shared().newDatabase()
    _ = try open(address)
    let empty = try PostgresServer.shared().newDatabase()
    for address in [address, empty] { try set("default_transaction_read_only = on", at: address) }
    for attempt in [{ _ = try open(empty) }, { try open(address).setPaused(true, batch: nil) }] {
      let error = storeError(attempt)
      guard case .inputOutput(_, let reason)? = error, reason.contains("read-only") else {
        Issue.record("another error: \(String(describing: error))")
        continue
      }
    }
    guard case .server(let server) = try open(address).facts().place else {
      Issue.record("it is a file")
      return
    }
    #expect(!server.mayChange)
  }

  /// Such a server has no tables that a crash empties.
  @Test func jobsAreListedWithoutTheirProgress() throws {
    let address = try PostgresServer.shared().newDatabase()
    let client = try open(address)
    try client.enqueue(BatchRequest(), [request("a")])
    for table in ["progress", "previews"] {
      try PostgresServer.sql(
        at: address,
        """
        ALTER TABLE \(table) RENAME TO \(table)_of_another;
        CREATE FUNCTION \(table)_here() RETURNS SETOF \(table)_of_another LANGUAGE plpgsql AS $$ BEGIN
          RAISE 'cannot access temporary or unlogged relations during recovery' USING ERRCODE = '0A000';
        END $$;
        CREATE VIEW \(table) AS SELECT * FROM \(table)_here();
        """)
    }
    #expect(try client.list(JobFilter()).map(\.id) == [1])
    #expect(try client.details(job: 1).summary.id == 1)
    #expect(try client.previews(jobs: [1]).isEmpty)
  }

  @Test(arguments: ["LATIN1", "SQL_ASCII"])
  func aDatabaseWithoutAllSignsGetsNoTables(encoding: String) throws {
    let server = try PostgresServer.shared()
    let name = "only_\(encoding.lowercased())"
    try PostgresServer.sql(
      at: server.address("postgres"),
      "CREATE DATABASE \(name) TEMPLATE template0 ENCODING '\(encoding)' LC_COLLATE 'C' LC_CTYPE 'C'")
    let error = storeError { _ = try open(server.address(name)) }
    guard case .refused(_, "0A000", let reason)? = error, reason.contains(encoding) else {
      Issue.record("another error: \(String(describing: error))")
      return
    }
    #expect(
      try PostgresServer.sql(at: server.address(name), "SELECT to_regclass('queue') IS NULL") == ["t"])
  }

  /// In Turkish an I is no i.
  @Test func aSearchIsTheSameInAllLanguages() throws {
    let server = try PostgresServer.shared()
    try PostgresServer.sql(
      at: server.address("postgres"),
      """
      CREATE DATABASE turkish TEMPLATE template0 ENCODING 'UTF8' LOCALE_PROVIDER icu ICU_LOCALE 'tr-TR' LOCALE 'C.UTF-8'
      """)
    let client = try open(server.address("turkish"))
    try client.enqueue(BatchRequest(), [request("a ship"), request("SHIPS")])
    for text in ["SHIP", "ship"] {
      var filter = JobFilter()
      filter.prompt = text
      #expect(try client.list(filter).map(\.id) == [1, 2])
    }
  }
}
