import JobStore
import PostgresStore
import TestSupport
import Testing

/// What KEDA asks the queue for, as `deploy/kubernetes/keda` has it.
@Suite(.enabled(if: PostgresServer.isInstalled, Comment(rawValue: PostgresServer.absence)))
struct ScalerQueryTests {
  private let query: String
  private let role: String

  init() throws {
    let file = Places.inRepository("deploy/kubernetes/keda/scaled-object.yaml")
    let text = try String(contentsOfFile: file, encoding: .utf8)
    query = try String(#require(text.firstMatch(of: /\n +query: (SELECT .*)\n/)).1)
    role = try String(#require(text.firstMatch(of: /\n +userName: (.*)\n/)).1)
  }

  /// Jobs that are due and those at work want a daemon; what is over, paused or comes later does not.
  @Test func itCountsWhatWantsADaemon() throws {
    let address = try PostgresServer.shared().newDatabase()
    let database = try PostgresDatabase.open(ServerAddress(address), role: .daemon)
    let client = PostgresClient(database)
    func answer() throws -> [String] { try PostgresServer.sql(at: address, query) }
    #expect(try answer() == ["0"])
    try client.enqueue(BatchRequest(name: "first"), [request("a"), request("b"), request("c")])
    try client.enqueue(BatchRequest(after: "first"), [request("d")])
    #expect(try answer() == ["3"])
    let worker = try PostgresSession.signOn(
      database, WorkerRecord(name: "w", pid: 1, host: "h", version: "1"), leaseSeconds: 3600
    ) { _ in true }
    let claimed = try #require(try worker.claim())
    #expect(try answer() == ["3"])
    try client.setPaused(true, batch: nil)
    #expect(try answer() == ["1"])
    try client.setPaused(false, batch: nil)
    try worker.finish(claimed)
    #expect(try answer() == ["2"])
    _ = try client.cancel(.batch(1), discard: false)
    // The batch after it: no daemon is there whose upkeep would release it.
    #expect(try answer() == ["1"])
    _ = try client.cancel(.batch(2), discard: false)
    #expect(try answer() == ["0"])
  }

  /// The role of the manifest needs no more than README.md gives it.
  @Test func aRoleThatMayReadTheViewAloneCanAskIt() throws {
    let address = try PostgresServer.shared().newDatabase()
    let client = PostgresClient(try PostgresDatabase.open(ServerAddress(address), role: .client))
    try client.enqueue(BatchRequest(), [request("a")])
    try PostgresServer.sql(
      at: address,
      """
      DO $$ BEGIN CREATE ROLE \(role) LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$;
      GRANT SELECT ON queue_gauges TO \(role)
      """)
    let its = address.replacing("user=postgres", with: "user=\(role)")
    #expect(try PostgresServer.sql(at: its, query) == ["1"])
    #expect(throws: PostgresServer.Refused.self) {
      try PostgresServer.sql(at: its, "SELECT prompt FROM jobs")
    }
  }
}
