import JobStore
import Testing

@Suite struct RetentionTests {
  /// Five jobs, done a minute apart, the first two in one batch.
  private func queueOfFive() throws -> TestQueue {
    let queue = try TestQueue()
    try queue.enqueue("1", "2")
    for prompt in ["3", "4", "5"] { try queue.enqueue(prompt) }
    while let claimed = try queue.claim() {
      try queue.session().finish(
        claimed.lease, images: [image(0, of: claimed.job.id)], statistics: RenderStatistics())
      queue.pass(seconds: 60)
    }
    return queue
  }

  private func purge(_ queue: TestQueue, _ change: (inout Retention) -> Void) throws -> [String] {
    var retention = Retention()
    change(&retention)
    var paths: [String] = []
    _ = try queue.client.purge(retention, atOnce: 2) { paths += $0.paths }
    return paths
  }

  @Test func byAge() throws {
    let queue = try queueOfFive()
    let limit = queue.now - 180_000
    #expect(try purge(queue) { $0.finishedBefore = limit } == ["/out/1-0.png", "/out/2-0.png"])
    #expect(try queue.client.list().map(\.prompt) == ["3", "4", "5"])
    #expect(try queue.client.batches(limit: 9).map(\.id) == [2, 3, 4])
    #expect(try queue.client.status().counts.done == 3)
  }

  @Test func byNumber() throws {
    let queue = try queueOfFive()
    #expect(try purge(queue) { $0.keepNewest = 4 } == ["/out/1-0.png"])
    #expect(try queue.client.batch(1).counts.done == 1)
    #expect(try purge(queue) { $0.keepNewest = 4 } == [])
  }

  /// The newest whose pictures fit, 1,000 bytes each.
  @Test func bySize() throws {
    let queue = try queueOfFive()
    #expect(try purge(queue) { $0.keepBytes = 5000 } == [])
    #expect(try purge(queue) { $0.keepBytes = 4999 } == ["/out/1-0.png"])
    // One that does not fit ends it: what is older goes, however small.
    try queue.sql { db in
      try db.execute(
        sql: "UPDATE images SET bytes = 0 WHERE job = 2; UPDATE images SET bytes = 9000 WHERE job = 3")
    }
    var small = Retention()
    small.keepBytes = 2500
    #expect(try queue.client.expired(small, limit: .max).map(\.id) == [2, 3])
    #expect(try queue.client.expiredCount(small) == 2)
    #expect(try purge(queue) { $0.keepBytes = 2500 } == ["/out/2-0.png", "/out/3-0.png"])
    #expect(try purge(queue) { $0.keepBytes = 999 } == ["/out/4-0.png", "/out/5-0.png"])
  }

  /// The size is that of all states together, of all pictures that would go.
  @Test func bySizeOverAllStates() throws {
    let queue = try queueOfFive()
    try queue.sql { db in
      try db.execute(
        sql: """
          UPDATE jobs SET state = 'failed' WHERE id IN (2, 4);
          INSERT INTO former_images
            SELECT job, path || 'x', number, seed, width, height, digest, bytes, seconds, numerics FROM images WHERE job = 5;
          UPDATE images SET bytes = -9000000000 WHERE job = 4;
          """)
    }
    #expect(
      try purge(queue) {
        $0.keepBytes = 3000; $0.states = [.done, .failed]
      } == ["/out/1-0.png", "/out/2-0.png"])
    #expect(try purge(queue) { $0.keepBytes = 2000 } == ["/out/3-0.png"])
    #expect(try queue.client.list().map(\.id) == [4, 5])
  }

  /// With several limits a job goes only if each lets it go.
  @Test func bySizeAgeAndNumber() throws {
    let queue = try queueOfFive()
    let limit = queue.now - 240_000
    func expired(_ change: (inout Retention) -> Void) throws -> [Int64] {
      var retention = Retention()
      change(&retention)
      return try queue.client.expired(retention, limit: .max).map(\.id)
    }
    #expect(try expired { $0.keepBytes = 1000 } == [1, 2, 3, 4])
    #expect(
      try expired {
        $0.keepBytes = 1000; $0.keepNewest = 3
      } == [1, 2])
    #expect(
      try expired {
        $0.keepBytes = 3000; $0.keepNewest = 1
      } == [1, 2])
    #expect(
      try expired {
        $0.keepBytes = 1000; $0.finishedBefore = limit
      } == [1])
    #expect(
      try expired {
        $0.keepBytes = 1000; $0.keepNewest = 9
      } == [])
  }

  @Test func whatIsOpenOrOfAnotherStateStays() throws {
    let queue = try TestQueue()
    try queue.enqueue("failed", "cancelled", "running", "queued")
    try queue.session().fail(#require(try queue.claim()).lease, message: "m", kind: .badInput)
    _ = try queue.client.cancel(job: 2)
    _ = try queue.claim()
    queue.pass(seconds: 60)
    #expect(try purge(queue) { _ in } == [])
    #expect(try queue.client.list().count == 4)
    _ = try purge(queue) { $0.states = Set(JobState.allCases) }
    #expect(try queue.client.list().map(\.prompt) == ["running", "queued"])
  }

  @Test func filesThatCantBeRemovedKeepTheirRows() throws {
    struct Stuck: Error {}
    let queue = try queueOfFive()
    #expect(throws: Stuck.self) {
      try queue.client.purge(Retention(), atOnce: 2) { if $0.id == 3 { throw Stuck() } }
    }
    #expect(try queue.client.list().map(\.prompt) == ["3", "4", "5"])
  }

  @Test func keysAreNotForgotten() throws {
    let queue = try TestQueue()
    let named = BatchRequest(key: "k")
    _ = try queue.client.enqueue(named, requests: [request("a")])
    let lease = try #require(try queue.claim()).lease
    try queue.session().finish(lease, images: [image(0)], statistics: RenderStatistics())
    #expect(try purge(queue) { _ in }.count == 1)
    let again = try queue.client.enqueue(named, requests: [request("a")])
    #expect(!again.isNew)
    #expect(again.jobs == 1...1)
    #expect(try queue.client.list() == [])
  }
}
