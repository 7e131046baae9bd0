import Foundation
import GRDB
import JobStore
import PostgresStore
import TestSupport
import Testing

/// A queue that moves from a file onto a server, back, and from file to file.
@Suite struct MoveTests {
  private let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  private func file(_ name: String, makes: Bool = true) -> MovableFile {
    MovableFile(path: folder.file(name), makes: makes)
  }

  @Test(.enabled(if: PostgresServer.isInstalled, Comment(rawValue: PostgresServer.absence)))
  func aRichQueueComesBackAsItWas() throws {
    let queue = try RichQueue(at: folder.file("a"))
    try queue.fillSettings()
    let server = try MovableServer(ServerAddress(PostgresServer.shared().newDatabase()), makes: true)
    // Everything that is carried is in it, but for shards (`shardsGoWithTheirQueue`).
    #expect(
      try queue.emptyColumns() == [
        "workers.job", "batches.shards", "batches.shards_key", "models.load_error", "models.held_until",
        "models.held_at",
      ])
    let before = try RichQueue.rows(queue.path)
    #expect(before.count == 14 && before.values.allSatisfy { !$0.isEmpty })
    let there = try QueueMove(from: file("a", makes: false), to: server).run()
    #expect(
      there.isPaused
        && there.counts
          == StateCounts([
            .queued, .queued, .queued, .queued, .queued, .queued, .running, .done, .done, .done, .failed,
            .cancelled,
          ])
    )
    #expect(there.rows == before.mapValues(\.count))
    let back = try QueueMove(from: server, to: file("b")).run()
    #expect(back.counts == there.counts && back.rows == there.rows)
    let after = try RichQueue.rows(folder.file("b"))
    for (table, rows) in before { #expect(after[table] == rows, "\(table)") }
    // Also the numbers of what was purged are not given again.
    let client = try QueueClient.open(path: folder.file("b"))
    #expect(
      try client.enqueue(BatchRequest(), [request("new")])
        == EnqueuedBatch(batch: 6, jobs: 15...15, isNew: true))
  }

  /// Clients see on the server what they saw in the file.
  @Test(.enabled(if: PostgresServer.isInstalled, Comment(rawValue: PostgresServer.absence)))
  func clientsSeeTheSame() throws {
    let queue = try RichQueue(at: folder.file("a"))
    let before = try QueueClient.open(path: queue.path)
    let (status, batches) = (try before.status(), try before.batches(limit: 100))
    let jobs = try before.list(JobFilter()).map { try before.details(job: $0.id) }
    let (workers, introductions) = (try before.workers(), try before.introductions())
    let states = [RichQueue.lost, RichQueue.begun]
    let saved = try states.map { try before.checkpoint(job: $0, index: 0) }
    let place = try PostgresServer.shared().newDatabase()
    let address = try ServerAddress(place)
    _ = try QueueMove(from: file("a", makes: false), to: MovableServer(address, makes: true)).run()

    let after = PostgresClient(try PostgresDatabase.open(address, role: .client))
    #expect(try after.status() == status)
    #expect(try after.batches(limit: 100).map(\.counts) == batches.map(\.counts))
    #expect(try after.batches(limit: 100).map(\.name) == ["nightly", "pinned", "paused", "late"])
    for old in jobs {
      let new = try after.details(job: old.job.id)
      let number = old.job.id
      #expect(new.job.request == old.job.request, "job \(number)")
      #expect(new.job.state == old.job.state, "job \(number)")
      #expect(new.job.attempts == old.job.attempts && new.job.losses == old.job.losses, "job \(number)")
      #expect(new.job.failure == old.job.failure, "job \(number)")
      #expect(new.images == old.images && new.events == old.events, "job \(number)")
    }
    #expect(try after.workers() == workers)
    // Whoever watches the pictures of jobs that are over finds them, too.
    #expect(
      try PostgresServer.sql(at: place, "SELECT job FROM checkpoints WHERE over = 1") == ["3"])
    #expect(try after.introductions() == introductions)
    #expect(introductions["w"]?.hasSuffix("2 GiB") == true)
    #expect(try states.map { try after.checkpoint(job: $0, index: 0) } == saved)
    #expect(
      try after.enqueue(BatchRequest(), [request("new")])
        == EnqueuedBatch(batch: 6, jobs: 15...15, isNew: true))
  }

  /// Workers get the same jobs in the same order, and what was lost is freed.
  @Test(.enabled(if: PostgresServer.isInstalled, Comment(rawValue: PostgresServer.absence)))
  func workersGetTheSameJobs() throws {
    let queue = try RichQueue(at: folder.file("a"))
    try FileManager.default.copyItem(atPath: queue.path, toPath: folder.file("copy"))
    // A server that has just started lets no lease lapse for as long as one lasts.
    let address = try PostgresServer.shared().newDatabase()
    let server = try ServerAddress(address)
    _ = try QueueMove(from: file("a", makes: false), to: MovableServer(server, makes: true)).run()
    #expect(
      try PostgresServer.sql(at: address, "SELECT job, worker, expires FROM leases")
        == ["\(RichQueue.lost)|dead|1"])
    let record = WorkerRecord(name: "v", pid: 11, host: "h", version: "1", numerics: RichQueue.numerics)
    let sessions: [any JobWorker] = [
      try WorkerSession.signOn(
        QueueDatabase.open(path: folder.file("copy"), role: .daemon), record, leaseSeconds: 60
      ) { _ in false },
      try PostgresSession.signOn(
        PostgresDatabase.open(server, role: .daemon), record, leaseSeconds: 60
      ) { _ in false },
    ]
    let claimed = try sessions.map { session in
      try session.queue.setPaused(false, batch: nil)
      var jobs: [Int64] = []
      while let claimed = try session.claim() { jobs.append(claimed.lease.job) }
      return jobs.filter { $0 != RichQueue.lost }
    }
    #expect(claimed[0] == [RichQueue.begun, 9])
    #expect(claimed[1] == claimed[0])
    // A batch that was paused, and one that comes after another, begin when they may.
    for session in sessions {
      try session.queue.setPaused(false, batch: 3)
      #expect(try session.awaitJob().lease.job == 10)
      _ = try session.queue.cancel(.batch(1), discard: false)
      #expect(try session.queue.pause(batch: 3).isPaused == false)
    }
  }

  /// What is in shards stays there, and comes home to wherever the queue is.
  @Test(.enabled(if: PostgresServer.isInstalled, Comment(rawValue: PostgresServer.absence)))
  func shardsGoWithTheirQueue() throws {
    let client = try QueueClient.open(path: folder.file("a"))
    try client.enqueue(BatchRequest(), [request("a"), request("b"), request("c")])
    let made = try client.putInShards(batch: 1, folder: "/shards")
    _ = try client.cancel(job: 1)
    let before = try RichQueue.rows(folder.file("a"))
    let address = try ServerAddress(PostgresServer.shared().newDatabase())
    _ = try QueueMove(from: file("a", makes: false), to: MovableServer(address, makes: true)).run()
    let server = PostgresClient(try PostgresDatabase.open(address, role: .client))
    #expect(
      try server.shardedBatch(key: made.key)
        == ShardedBatch(batch: 1, key: made.key, folder: "/shards", jobs: [2, 3]))
    // The one that was cancelled in them is there again, too.
    #expect(try server.retry(.job(1)) == 1)
    #expect(try server.jobsInShards(batch: 1) == 3)
    _ = try server.cancel(.job(1), discard: false)
    let failed = ShardOutcome(job: 2, attempts: 1, failure: JobFailure(message: "m", kind: .badInput))
    _ = try QueueMove(from: MovableServer(address, makes: false), to: file("b")).run()
    let after = try RichQueue.rows(folder.file("b"))
    #expect(after["batches"] == before["batches"])
    let back = try QueueClient.open(path: folder.file("b"))
    #expect(try back.list().map(\.shards) == [nil, "/shards", "/shards"])
    #expect(try back.collect(failed, of: made) == .taken)
    #expect(try back.takeOutOfShards(batch: 1) == 1)
    try back.retry(job: 1)
    #expect(try back.list().map(\.isHeld) == [false, false, false])
  }

  /// From file to file everything goes.
  @Test func fromFileToFile() throws {
    let queue = try RichQueue(at: folder.file("a"))
    let before = try RichQueue.rows(queue.path)
    let moved = try QueueMove(from: file("a", makes: false), to: file("b")).run()
    #expect(moved.rows["models"] == 1)
    #expect(try RichQueue.rows(folder.file("b")) == before)
    // A fence of before is none.
    #expect(
      try DatabaseQueue(path: folder.file("b")).read { db in
        try Int64.fetchOne(db, sql: "SELECT min(claims) FROM jobs") ?? 0
      } > 1 << 31)
    // A daemon finds nothing to put right.
    let daemon = try QueueDatabase.open(path: folder.file("b"), role: .daemon)
    let session = try WorkerSession.signOn(
      daemon, WorkerRecord(name: "v", pid: 11, host: "h", version: "1"), leaseSeconds: 60
    ) { _ in false }
    try session.verify()
    #expect(try QueueClient(daemon).setAside().isEmpty)
  }

  /// A look changes nothing, and says what would be.
  @Test(arguments: StoreKind.here)
  func aLookChangesNothing(kind: StoreKind) throws {
    let queue = try RichQueue(at: folder.file("a"))
    let before = try RichQueue.rows(queue.path)
    let target = try MoveTarget(kind, in: folder)
    let move = QueueMove(from: file("a", makes: false), to: target.queue)
    let seen = try move.look()
    #expect(try RichQueue.rows(queue.path) == before)
    guard case .noQueue? = storeError({ _ = try target.client(.reading) }) else {
      Issue.record("a look has made a queue")
      return
    }
    #expect(try move.run() == seen)
  }

  /// Moves carry every table, whatever the store.
  @Test(arguments: StoreKind.here)
  func everyTableIsThere(kind: StoreKind) throws {
    let target = try MoveTarget(kind, in: folder)
    _ = try target.client(.creating)
    try target.queue.look { held in
      let absent = try MovedTable.all.filter { try held.columns(of: $0).isEmpty }
      #expect(absent.map(\.name) == [])
    }
    // What is in no move is so on purpose.
    let tables = try DatabaseQueue(path: RichQueue(at: folder.file("all")).path).read { db in
      try String.fetchAll(
        db, sql: "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT GLOB 'sqlite_*'")
    }
    #expect(
      Set(tables).subtracting(MovedTable.all.map(\.name)) == [
        "queue", "previews", "prompt_index", "unindexed_prompts", "set_aside",
      ])
  }
}
