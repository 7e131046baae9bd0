import Foundation
import JobStore
import PostgresStore
import Requests
import TestSupport
import Testing

/// Changes to a queue while others work on it.
@Suite(.enabled(if: PostgresServer.isInstalled, Comment(rawValue: PostgresServer.absence)))
struct ConcurrentChangeTests {
  private static func client(_ address: String) throws -> PostgresClient {
    PostgresClient(try PostgresDatabase.open(ServerAddress(address), role: .client))
  }

  private static func worker(_ name: String, _ address: String) throws -> PostgresSession {
    try PostgresSession.signOn(
      PostgresDatabase.open(ServerAddress(address), role: .daemon),
      WorkerRecord(name: name, pid: 1, host: "h", version: "1"), leaseSeconds: 3600
    ) { _ in true }
  }

  /// Purges at once remove each job once, with all that is known of it, and their batch; claims go on meanwhile.
  @Test func purgesAtOnceLeaveNothingBehind() async throws {
    let address = try PostgresServer.shared().newDatabase()
    let client = try Self.client(address)
    try client.enqueue(BatchRequest(), (0..<150).map { request("\($0)") })
    let worker = try Self.worker("w", address)
    while let claimed = try worker.claim() {
      try worker.report(
        ImageProgress(index: 0, phase: .denoising, step: 1, steps: 25), waiting: 2, claimed.lease)
      try worker.finish(claimed)
    }
    try client.enqueue(BatchRequest(), (0..<60).map { request("\($0)") })
    let removed = Record<Int>()
    let claims = Record<Int64>()
    try await withThrowingTaskGroup(of: Void.self) { group in
      for size in [3, 5, 7] {
        group.addTask {
          try await OwnThread.run {
            removed.add(try Self.client(address).purge(Retention(), atOnce: size) { _ in })
          }
        }
      }
      for name in ["a", "b"] {
        group.addTask {
          try await OwnThread.run {
            let worker = try Self.worker(name, address)
            while let claimed = try worker.claim() {
              claims.add(claimed.lease.job)
            }
          }
        }
      }
      try await group.waitForAll()
    }
    #expect(removed.all.reduce(0, +) == 150)
    #expect(claims.all.sorted() == Array(151...210))
    #expect(try client.batches(limit: 9).map(\.id) == [2])
    let counts = try client.status().counts
    #expect(counts.running == 60 && counts.total == 60)
    for table in ["images", "former_images", "checkpoints", "progress"] {
      #expect(try PostgresServer.sql(at: address, "SELECT count(*) FROM \(table)") == ["0"], "\(table)")
    }
    func rows(_ condition: String) throws -> [String] {
      try PostgresServer.sql(at: address, "SELECT count(*) FROM events WHERE \(condition)")
    }
    #expect(try rows("job <= 150 OR batch = 1") == ["0"])
    #expect(try rows("what = 'claimed'") == ["60"])
    // Once the tally is folded nothing of the batch is left, and the whole queue's count is right.
    try PostgresServer.sql(at: address, "UPDATE upkeep SET at = 0")
    #expect(try PostgresServer.sql(at: address, "SELECT keep_up(60000, 120000)") == ["t"])
    #expect(
      try PostgresServer.sql(at: address, "SELECT batch, queued, running, done FROM counts ORDER BY batch")
        == ["0|0|60|0", "2|0|60|0"])
    #expect(try PostgresServer.sql(at: address, "SELECT count(*) FROM tally") == ["0"])
  }

  /// A job is claimed as it was before an edit, or as it is after it.
  @Test func editsAndClaimsAtOnce() async throws {
    let address = try PostgresServer.shared().newDatabase()
    let client = try Self.client(address)
    let count = Int64(80)
    try client.enqueue(BatchRequest(), (0..<Int(count)).map { request("\($0)") })
    let claims = Record<(job: Int64, steps: Int)>()
    let edited = Record<Int64>()
    try await withThrowingTaskGroup(of: Void.self) { group in
      for editor in 0..<2 {
        group.addTask {
          try await OwnThread.run {
            let client = try Self.client(address)
            for job in (1...count).reversed() {
              do {
                _ = try client.edit(job: job) {
                  ($0.render.steps, $0.priority) = (30 + editor, Int(job) % 3)
                }
                edited.add(job)
              } catch JobStoreError.notEditable {
                continue
              }
            }
          }
        }
      }
      for name in ["a", "b"] {
        group.addTask {
          try await OwnThread.run {
            let worker = try Self.worker(name, address)
            while try client.status().counts.queued > 0 {
              guard let job = try worker.claim() else { continue }
              claims.add((job.lease.job, job.request.render.steps))
            }
          }
        }
      }
      try await group.waitForAll()
    }
    #expect(claims.all.map(\.job).sorted() == Array(1...count))
    let changed = Set(edited.all)
    for (job, steps) in claims.all {
      let details = try client.details(job: job)
      #expect(details.job.request.render.steps == steps, "job \(job)")
      #expect((steps != 25) == changed.contains(job), "job \(job)")
      // Nobody changes what is claimed.
      #expect(details.events.last?.kind == .claimed)
    }
    let counts = try client.status().counts
    #expect(counts.running == Int(count) && counts.total == Int(count))
  }

  /// A client whose connection is cut in the middle of an edit asks again, and changes the job once.
  @Test func aCutConnectionEditsOnce() throws {
    let address = try PostgresServer.shared().newDatabase()
    let client = try Self.client(address)
    try client.enqueue(BatchRequest(), [request("a")])
    var calls = 0
    let edit = try client.edit(job: 1) { request in
      calls += 1
      request.render.steps = 30
      guard calls == 1 else { return }
      try PostgresServer.sql(
        at: address,
        """
        SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
        WHERE datname = current_database() AND pid <> pg_backend_pid()
        """)
    }
    #expect(calls == 2 && edit.changes.map(\.name) == ["steps"])
    let details = try client.details(job: 1)
    #expect(details.job.request.render.steps == 30)
    #expect(details.events.map(\.kind) == [.enqueued, .edited])
    #expect(try Self.worker("w", address).claim()?.request.render.steps == 30)
  }

  /// A render does not wait for a server that was lost: it goes on without company, and the next claim is as ever.
  @Test func aRenderDoesNotWaitForALostServer() throws {
    let address = try PostgresServer.shared().newDatabase()
    let client = try Self.client(address)
    try client.enqueue(BatchRequest(), (0..<3).map { request("\($0)") })
    let worker = try Self.worker("w", address)
    let first = try #require(try worker.claim())
    func companion() throws -> ClaimedJob? {
      try worker.claimCompanion(
        of: first.request.render, limits: RenderLimits(), without: [], waits: false)
    }
    #expect(try companion()?.lease.job == 2)
    try PostgresServer.sql(
      at: address,
      """
      SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
      WHERE datname = current_database() AND pid <> pg_backend_pid()
      """)
    guard case .busy? = storeError({ _ = try companion() }) else {
      Issue.record("it waits")
      return
    }
    // It is not asked again before the next claim, which comes to the server.
    #expect(try companion() == nil)
    #expect(try worker.claim()?.lease.job == 3)
    #expect(worker.leases.map(\.job) == [1, 2, 3])
  }

  /// The answer to a companion's claim was lost: the next claim gets that job.
  @Test func aCompanionWhoseAnswerWasLostIsNotForgotten() throws {
    let address = try PostgresServer.shared().newDatabase()
    let client = try Self.client(address)
    try client.enqueue(BatchRequest(), (0..<2).map { request("\($0)") })
    let worker = try Self.worker("w", address)
    let first = try #require(try worker.claim())
    func claim(_ token: Int) throws -> [String] {
      try PostgresServer.sql(
        at: address,
        """
        SELECT c->'job'->'id' FROM claim_companion('w', \(token), 60000, NULL, 'demo', 512, 512, 'f32', NULL, NULL, '[]',
          NULL, false, '{}') c WHERE c IS NOT NULL
        """)
    }
    #expect(try claim(7) == ["2"])
    #expect(try claim(7) == ["2"])
    #expect(try claim(8) == [])
    #expect(try client.details(job: 2).events.count { $0.kind == .claimed } == 1)
    try worker.finish(first)
  }

  /// Neither a client's clock nor a worker's says who is alive, or how old a job is.
  @Test func theServersClockCounts() throws {
    let address = try PostgresServer.shared().newDatabase()
    let client = try Self.client(address)
    _ = try Self.worker("w", address)
    // As if all other clocks were an hour late.
    try PostgresServer.sql(
      at: address,
      """
      CREATE OR REPLACE FUNCTION milliseconds_now() RETURNS bigint LANGUAGE sql VOLATILE PARALLEL SAFE
        RETURN (extract(epoch FROM clock_timestamp()) * 1000)::bigint + 3600000;
      """)
    let now = try client.now()
    #expect(now > Date().milliseconds + 3_000_000)
    let worker = try Self.worker("v", address)
    let records = try client.workers().reduce(into: [:]) { $0[$1.name] = $1.isAlive(now: now, on: nil) }
    #expect(records == ["w": false, "v": true])
    try client.enqueue(BatchRequest(), [request("a")])
    try worker.finish(#require(try worker.claim()))
    var retention = Retention()
    retention.finishedBefore = try client.now() - 60_000
    #expect(try client.expiredCount(retention) == 0)
    retention.finishedBefore = try client.now() + 60_000
    #expect(try client.expiredCount(retention) == 1)
  }
}
