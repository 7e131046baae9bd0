import Foundation
import JobStore
import PostgresStore
import TestSupport
import Testing

/// Many workers at once, connections that are cut, and a server that is killed.
@Suite(.serialized, .enabled(if: PostgresServer.isInstalled, Comment(rawValue: PostgresServer.absence)))
struct ConcurrentClaimTests {
  /// Works until all jobs are over. Leases that are lost are somebody else's.
  private static func work(_ name: String, at address: String, lease: Double, _ record: Record<Int64>) throws
  {
    let database = try PostgresDatabase.open(ServerAddress(address), role: .daemon)
    let worker = try PostgresSession.signOn(
      database, WorkerRecord(name: name, pid: 1, host: "h", version: "1"), leaseSeconds: lease
    ) { _ in true }
    let client = PostgresClient(database)
    while try client.status().counts.open > 0 {
      guard let claimed = try worker.claim() else {
        usleep(5_000)
        continue
      }
      do {
        try worker.report(
          ImageProgress(index: 0, phase: .denoising, step: 1, steps: 25), waiting: 2, claimed.lease)
        try worker.announce(image(0, of: claimed.lease.job), step: 25, modelDigest: "d", claimed.lease)
        try worker.finish(claimed)
        record.add(claimed.lease.job)
      } catch JobStoreError.leaseLost {
        continue
      }
    }
    try worker.signOff()
  }

  /// Starts workers, and `trouble` beside them until they are done.
  private func crowd(
    _ count: Int, at address: String, lease: Double = 3600, _ record: Record<Int64>,
    trouble: (@Sendable () throws -> Void)? = nil
  ) async throws {
    let ends = Record<Bool>()
    try await withThrowingTaskGroup(of: Void.self) { group in
      for number in 0..<count {
        group.addTask {
          try await OwnThread.run { try Self.work("w\(number)", at: address, lease: lease, record) }
        }
      }
      let troubler = Task {
        try await OwnThread.run {
          while let trouble, ends.all.isEmpty { try trouble() }
        }
      }
      try await group.waitForAll()
      ends.add(true)
      try await troubler.value
    }
  }

  /// Each job is done once in the record, whoever says so, and the counts are right.
  private func expectAllDone(_ count: Int, at address: String) throws {
    func sql(_ statement: String) throws -> [String] { try PostgresServer.sql(at: address, statement) }
    #expect(try sql("SELECT count(*) FROM jobs WHERE outcome = 'done'") == ["\(count)"])
    #expect(try sql("SELECT count(*) FROM images") == ["\(count)"])
    #expect(
      try sql(
        "SELECT count(*) FROM (SELECT job FROM events WHERE what = 'done' GROUP BY job HAVING count(*) = 1) e"
      ) == ["\(count)"])
    #expect(
      try sql(
        "SELECT (SELECT count(*) FROM due) + (SELECT count(*) FROM waiting) + (SELECT count(*) FROM leases)")
        == ["0"])
    #expect(
      try sql("SELECT queued, running, done, failed, cancelled FROM batch_counts WHERE batch = 0")
        == ["0|0|\(count)|0|0"])
  }

  @Test func nothingIsClaimedTwice() async throws {
    let address = try PostgresServer.shared().newDatabase()
    let client = PostgresClient(try PostgresDatabase.open(ServerAddress(address), role: .client))
    try client.enqueue(BatchRequest(), (0..<300).map { request("\($0)") })
    let record = Record<Int64>()
    try await crowd(8, at: address, record)
    #expect(record.all.sorted() == Array(1...300))
    try expectAllDone(300, at: address)
    #expect(
      try PostgresServer.sql(at: address, "SELECT count(*) FROM events WHERE what = 'claimed'") == ["300"])
  }

  /// A connection that is cut may have brought the change to the server, or not.
  @Test func cutConnectionsLoseAndDoubleNothing() async throws {
    let address = try PostgresServer.shared().newDatabase()
    let client = PostgresClient(try PostgresDatabase.open(ServerAddress(address), role: .client))
    try client.enqueue(BatchRequest(), (0..<200).map { request("\($0)") })
    let record = Record<Int64>()
    try await crowd(4, at: address, record) {
      try PostgresServer.sql(
        at: address,
        """
        SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
        WHERE datname = current_database() AND pid <> pg_backend_pid() AND random() < 0.5
        """)
      // And batches come in meanwhile.
      try client.enqueue(BatchRequest(), [request("more")])
      usleep(50_000)
    }
    let all = try client.status().counts.total
    // Those that came after the crowd had gone.
    try await crowd(1, at: address, record)
    #expect(record.all.count == all && Set(record.all).count == all)
    try expectAllDone(all, at: address)
    #expect(
      try PostgresServer.sql(at: address, "SELECT count(*) FROM events WHERE what = 'enqueued'")
        == ["\(all - 199)"])
  }

  @Test func aKilledServerLosesNothing() async throws {
    let server = try PostgresServer()
    let address = try server.newDatabase()
    let client = PostgresClient(try PostgresDatabase.open(ServerAddress(address), role: .client))
    try client.enqueue(BatchRequest(), (0..<400).map { request("\($0)") })
    let record = Record<Int64>()
    let kills = Record<Bool>()
    try await crowd(4, at: address, lease: 1, record) {
      usleep(300_000)
      guard kills.all.count < 3 else { return }
      try server.crash()
      kills.add(true)
    }
    // A claim that was not durable yet is made again; an end that was answered for stays.
    #expect(record.all.sorted() == Array(1...400))
    try expectAllDone(400, at: address)
  }

  /// Whoever lost an answer asks again, and hears the same.
  @Test func anEndMayBeSaidTwice() throws {
    let address = try PostgresServer.shared().newDatabase()
    let database = try PostgresDatabase.open(ServerAddress(address), role: .daemon)
    try PostgresClient(database).enqueue(BatchRequest(), (0..<3).map { request("\($0)") })
    let worker = try PostgresSession.signOn(
      database, WorkerRecord(name: "w", pid: 1, host: "h", version: "1"), leaseSeconds: 3600
    ) { _ in true }
    let claims = try (0..<3).map { _ in try #require(try worker.claim()) }
    for _ in 0..<2 {
      try worker.finish(claims[0])
      let outcome = try worker.fail(claims[1].lease, message: "m", kind: .transient, backoff: Backoff())
      guard case .retrying = outcome else {
        Issue.record("\(outcome)")
        return
      }
      try worker.giveBack(claims[2].lease)
    }
    #expect(try PostgresClient(database).status().counts.queued == 2)
    #expect(
      try PostgresServer.sql(at: address, "SELECT what FROM events WHERE job IS NOT NULL ORDER BY id")
        == ["claimed", "claimed", "claimed", "done", "retrying", "given_back"])
  }

  /// Whoever enqueues takes the numbers of its jobs at once, and keeps nobody waiting.
  @Test func batchesOfManyClientsHaveNumbersWithoutGaps() async throws {
    let address = try PostgresServer.shared().newDatabase()
    _ = try PostgresDatabase.open(ServerAddress(address), role: .daemon)
    let batches = Record<EnqueuedBatch>()
    try await withThrowingTaskGroup(of: Void.self) { group in
      for client in 0..<6 {
        group.addTask {
          try await OwnThread.run {
            let queue = PostgresClient(
              try PostgresDatabase.open(ServerAddress(address), role: .client))
            for size in 1...8 {
              // Two clients have the same key: each such batch is there once.
              let key = "\(client / 2) \(size)"
              let batch = try queue.enqueue(
                BatchRequest(key: key), (0..<size * 10).map { request("\(key) \($0)") })
              batches.add(batch)
            }
          }
        }
      }
      try await group.waitForAll()
    }
    let made = batches.all
    #expect(made.count { $0.isNew } == 24)
    #expect(Set(made.map(\.batch)).count == 24)
    let numbers = made.filter(\.isNew).flatMap(\.jobs)
    #expect(numbers.count == Set(numbers).count)
    #expect(
      try PostgresServer.sql(
        at: address,
        """
        SELECT count(*) FROM batches b WHERE last_job - first_job + 1 =
          (SELECT count(*) FROM jobs j WHERE j.batch = b.id AND j.id BETWEEN b.first_job AND b.last_job)
        """) == ["24"])
  }
}
