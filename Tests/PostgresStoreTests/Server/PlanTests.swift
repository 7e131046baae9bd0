import Foundation
import JobStore
import PostgresStore
import TestSupport
import Testing

/// How the server finds rows.
@Suite(.enabled(if: PostgresServer.isInstalled, Comment(rawValue: PostgresServer.absence)))
struct PlanTests {
  /// Plans are made while the tables are empty, and kept when they are not.
  @Test func noTableIsReadWholeForAJob() throws {
    let address = try PostgresServer.shared().newDatabase()
    func sql(_ statement: String) throws -> [String] { try PostgresServer.sql(at: address, statement) }
    // Processes of the server tell what they did when they end.
    func awaitEnds() throws {
      let others = """
        SELECT count(*) FROM pg_stat_activity
        WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid()
        """
      while try sql(others) != ["0"] { usleep(20_000) }
    }
    // Making an index reads its table.
    _ = try PostgresDatabase.open(ServerAddress(address), role: .daemon)
    try awaitEnds()
    _ = try sql("VACUUM ANALYZE")
    _ = try sql("SELECT pg_stat_reset()")
    let worker = try PostgresSession.signOn(
      PostgresDatabase.open(ServerAddress(address), role: .daemon),
      WorkerRecord(name: "w", pid: 1, host: "h", version: "1", numerics: "1/avx2"), leaseSeconds: 3600
    ) { _ in true }
    for _ in 0..<12 {
      _ = try worker.changeMark()
      #expect(try worker.claim(preferring: ["demo"]) == nil)
    }
    do {
      let client = PostgresClient(try PostgresDatabase.open(ServerAddress(address), role: .client))
      try client.enqueue(BatchRequest(), (0..<500).map { request("\($0)") })
    }
    for _ in 0..<40 {
      let claimed = try #require(try worker.claim(preferring: ["demo"]))
      try worker.report(
        ImageProgress(index: 0, phase: .denoising, step: 1, steps: 25), waiting: 2, claimed.lease)
      try worker.beat()
      try worker.announce(image(0, of: claimed.lease.job), step: 25, modelDigest: "d", claimed.lease)
      try worker.finish(claimed)
    }
    try worker.close()
    try awaitEnds()
    #expect(
      try sql(
        """
        SELECT relname FROM pg_stat_user_tables WHERE seq_scan > 0
          AND relname IN ('leases', 'due', 'images', 'checkpoints', 'progress') ORDER BY relname
        """) == [])
    #expect(
      try sql("SELECT idx_scan > 0 FROM pg_stat_user_tables WHERE relname = 'leases'") == ["t"])
  }
}
