import Foundation
import GRDB
import JobStore
import PostgresStore
import TestSupport
import Testing

/// Queues that cannot be moved now, places that take none, and what a moved queue says.
@Suite struct MoveRefusalTests {
  private let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  private var source: MovableFile { MovableFile(path: folder.file("a"), makes: false) }

  private func client() throws -> QueueClient { try QueueClient.open(path: folder.file("a")) }

  private func sql(_ statement: String) throws {
    try DatabaseQueue(path: folder.file("a")).write { db in try db.execute(sql: statement) }
  }

  /// That a move is refused, and why; both queues stay as they are.
  private func expectRefusal(
    _ words: String, from source: any MovableQueue, to target: any MovableQueue,
    _ location: SourceLocation = #_sourceLocation
  ) {
    let move = QueueMove(from: source, to: target)
    for attempt in [{ _ = try move.look() }, { _ = try move.run() }] {
      let error = storeError(attempt, location)
      guard case .notMovable(let place, let reason)? = error, place == source.place else {
        Issue.record("\(String(describing: error))", sourceLocation: location)
        continue
      }
      #expect(reason.contains(words), "\(reason)", sourceLocation: location)
    }
  }

  @Test(arguments: StoreKind.here)
  func whoWorksOnItIsNamed(kind: StoreKind) throws {
    let queue = try MoveTarget(kind, in: folder)
    _ = try queue.client(.creating).enqueue(BatchRequest(), [request("a"), request("b")])
    let worker = try queue.worker("w")
    let target = MovableFile(path: folder.file("b"), makes: true)
    try worker.beat()
    expectRefusal("daemon w (process 10 on h) works on it", from: queue.queue, to: target)
    let claimed = try #require(try worker.claim())
    // It is gone for a minute, but its lease has not run out.
    try queue.sql("UPDATE workers SET heartbeat_at = heartbeat_at - 120000")
    expectRefusal("job 1 is running on worker w", from: queue.queue, to: target)
    #expect(!folder.names.contains("b"))
    #expect(try queue.client().status().counts == StateCounts([.queued, .running]))
    try queue.sql(
      kind == .sqlite ? "UPDATE jobs SET lease_expires = 1 WHERE id = 1" : "UPDATE leases SET expires = 1")
    #expect(try QueueMove(from: queue.queue, to: target).run().counts.running == 1)
    // It was only asleep: what it has, another renders now.
    #expect(
      storeError { try worker.finish(claimed) } == .leaseLost(job: 1, worker: "w"))
    #expect(try worker.claim() == nil)
  }

  @Test func aFetcherThatLives() throws {
    _ = try client().enqueue(BatchRequest(), [request("a")])
    let fetcher = try FetcherSession.signOn(
      QueueDatabase.open(path: folder.file("a"), role: .client),
      FetcherRecord(pid: 20, host: "h", version: "1")
    ) { _ in true }
    expectRefusal(
      "fetcher \(fetcher.record.name) works on it", from: source,
      to: MovableFile(path: folder.file("b"), makes: true))
  }

  /// Jobs that are in shards go as such.
  @Test(arguments: StoreKind.here) func heldJobs(kind: StoreKind) throws {
    _ = try client().enqueue(BatchRequest(), [request("a")])
    try sql("UPDATE jobs SET held = 16")
    let target = try MoveTarget(kind, in: folder)
    #expect(try QueueMove(from: source, to: target.queue).run().counts.queued == 1)
    let job = try target.client().details(job: 1).job
    #expect(job.isInShards)
  }

  @Test(arguments: StoreKind.here)
  func aTargetThatHasJobs(kind: StoreKind) throws {
    _ = try client().enqueue(BatchRequest(), [request("a")])
    let target = try MoveTarget(kind, in: folder)
    _ = try target.client(.creating).enqueue(BatchRequest(), [request("b"), request("c")])
    let move = QueueMove(from: source, to: target.queue)
    for attempt in [{ _ = try move.look() }, { _ = try move.run() }] {
      #expect(storeError(attempt) == .occupied(path: target.queue.place, reason: "jobs are in it (2)"))
    }
    #expect(try client().status().counts.queued == 1)
    #expect(try target.client().status().counts.queued == 2)
  }

  /// An empty queue may have a past: a daemon that has looked at it, and is gone.
  @Test(arguments: StoreKind.here)
  func anEmptyQueueWithAPast(kind: StoreKind) throws {
    let queue = try RichQueue(at: folder.file("a"))
    let target = try MoveTarget(kind, in: folder)
    let worker = try target.worker("w")
    let move = QueueMove(from: source, to: target.queue)
    guard case .notMovable(target.queue.place, _)? = storeError({ _ = try move.run() }) else {
      Issue.record("a daemon works there")
      return
    }
    try worker.signOff()
    let rows = try RichQueue.rows(queue.path)
    #expect(try move.run().rows["events"] == rows["events"]?.count)
    #expect(try target.client().workers().map(\.name) == ["dead", "w"])
  }

  /// A queue that has gone is refused by everybody, with its new place; nothing in it changes.
  @Test(arguments: StoreKind.here)
  func whatWasMovedIsClosed(kind: StoreKind) throws {
    let queue = try MoveTarget(kind, in: folder)
    let before = try queue.client(.creating)
    _ = try before.enqueue(BatchRequest(), [request("a")])
    let target = MovableFile(path: folder.file("b"), makes: true)
    _ = try QueueMove(from: queue.queue, to: target).run()
    let moved = JobStoreError.moved(path: queue.queue.place, to: target.place)
    for purpose in [QueueDatabase.Purpose.reading, .changing, .creating] {
      #expect(storeError { _ = try queue.client(purpose) } == moved)
    }
    #expect(storeError { try queue.openAsDaemon() } == moved)
    #expect("\(moved)".contains("was moved to \(target.place)"))
    // Whoever had it open before cannot put anything in, and a worker gets nothing.
    #expect(storeError { _ = try before.enqueue(BatchRequest(), [request("b")]) } == moved)
    #expect(try before.status() == QueueStatus(isPaused: true, counts: StateCounts([.queued])))
    #expect(
      storeError {
        _ = try QueueMove(from: queue.queue, to: MovableFile(path: folder.file("c"), makes: true)).run()
      } == moved)
    #expect(!folder.names.contains("c"))
    // Back into its old place: that is a copy of it, as old as the move.
    _ = try QueueClient.open(path: target.place).enqueue(BatchRequest(), [request("b")])
    #expect(try QueueMove(from: target, to: queue.queue).run().counts.queued == 2)
    #expect(
      try queue.client().status() == QueueStatus(isPaused: false, counts: StateCounts([.queued, .queued])))
  }

  /// Two copies of one queue are not moved over each other.
  @Test func aCopyIsNoTarget() throws {
    _ = try client().enqueue(BatchRequest(), [request("a")])
    try sql("UPDATE queue SET identity = 'mine'")
    let copy = MovableFile(path: folder.file("copy"), makes: true)
    _ = try QueueClient.open(path: copy.place)
    try DatabaseQueue(path: copy.place).write { db in
      try db.execute(sql: "UPDATE queue SET identity = 'mine'")
    }
    guard case .occupied(copy.place, _)? = storeError({ _ = try QueueMove(from: source, to: copy).run() })
    else {
      Issue.record("it was moved over a copy of itself")
      return
    }
  }

  /// Killed after the target's end and before the source's: the source is the queue, and goes on.
  @Test(arguments: StoreKind.here)
  func killedBeforeTheSourceWasClosed(kind: StoreKind) throws {
    _ = try client().enqueue(BatchRequest(), [request("a")])
    let target = try MoveTarget(kind, in: folder)
    let move = QueueMove(from: source, to: target.queue)
    _ = try move.run()
    try target.sql("UPDATE queue SET moved_to = '\(source.place)'")
    try sql("UPDATE queue SET moved_to = NULL, paused = 0")
    #expect(
      storeError { _ = try target.client() } == .moved(path: target.queue.place, to: source.place))
    _ = try client().enqueue(BatchRequest(), [request("b")])
    #expect(try move.run().counts.queued == 2)
    #expect(try target.client().list(JobFilter()).map(\.prompt) == ["a", "b"])
    #expect(storeError { _ = try client() } == .moved(path: source.place, to: target.queue.place))
  }

  /// Killed after the source's end: both name the other, and another move ends it.
  @Test(arguments: StoreKind.here)
  func killedBeforeTheTargetWasOpened(kind: StoreKind) throws {
    _ = try client().enqueue(BatchRequest(), [request("a")])
    let target = try MoveTarget(kind, in: folder)
    let move = QueueMove(from: source, to: target.queue)
    let moved = try move.run()
    try target.sql("UPDATE queue SET moved_to = '\(source.place)'")
    #expect(storeError { _ = try client() } == .moved(path: source.place, to: target.queue.place))
    #expect(storeError { _ = try target.client() } == .moved(path: target.queue.place, to: source.place))
    #expect(try move.run().counts == moved.counts)
    #expect(try target.client().status() == QueueStatus(isPaused: false, counts: moved.counts))
    #expect(storeError { _ = try client() } == .moved(path: source.place, to: target.queue.place))
  }

  /// A row that the target does not take ends the move; nothing of it is there.
  @Test(.enabled(if: PostgresServer.isInstalled, Comment(rawValue: PostgresServer.absence)))
  func aRowThatTheServerDoesNotTake() throws {
    _ = try client().enqueue(BatchRequest(), [request("a"), request("b")])
    let target = try MoveTarget(.postgresql, in: folder)
    try sql("UPDATE jobs SET count = 1 << 40 WHERE id = 2")
    guard
      case .wrongRow(let reason)? = storeError({
        _ = try QueueMove(from: source, to: target.queue).run()
      }), reason.contains("1099511627776"), reason.contains("out of range")
    else {
      Issue.record("it was taken, or refused for another reason")
      return
    }
    #expect(try target.client().status().counts == StateCounts())
    #expect(try client().status().counts.queued == 2)
    try sql("UPDATE jobs SET count = 1 WHERE id = 2")
    #expect(try QueueMove(from: source, to: target.queue).run().counts.queued == 2)
  }
}
