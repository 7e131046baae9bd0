import JobStore
import TestSupport
import Testing

/// Shards of a queue that others work on at the same time.
@Suite struct ShardConcurrencyTests {
  /// A job is claimed or goes into shards, and never both.
  @Test(arguments: StoreKind.here)
  func claimsWhileABatchGoesIntoShards(kind: StoreKind) async throws {
    let store = try TestStore(kind)
    try store.client.enqueue(BatchRequest(), (0..<200).map { request("\($0)") })
    let workers = try (0..<3).map { try store.worker("w\($0)", pid: 20 + $0) }
    let sharder = try store.worker("s", pid: 40).queue
    let (claims, sharded) = (Record<Int64>(), Record<Int64>())
    try await withThrowingTaskGroup(of: Void.self) { group in
      for worker in workers {
        group.addTask {
          try await OwnThread.run {
            // Some are left whoever is first.
            for _ in 0..<30 {
              guard let claimed = try worker.claim() else { return }
              claims.add(claimed.lease.job)
            }
          }
        }
      }
      group.addTask {
        try await OwnThread.run {
          for job in try sharder.putInShards(batch: 1, folder: "/shards").jobs { sharded.add(job) }
        }
      }
      try await group.waitForAll()
    }
    #expect(sharded.all.count >= 110)
    #expect((claims.all + sharded.all).sorted() == Array(1...200))
    #expect(try store.client.jobsInShards(batch: 1) == sharded.all.count)
    #expect(try store.client.status().counts.running == claims.all.count)
  }

  /// Of several that collect at the same time one takes each job; pictures and counts are there once.
  @Test(arguments: StoreKind.here)
  func collectsAtOnceTakeEachJobOnce(kind: StoreKind) async throws {
    let store = try TestStore(kind)
    try store.client.enqueue(BatchRequest(), (0..<20).map { request("\($0)") })
    let (batch, outcomes) = try store.rendered(failing: [7])
    let queues = try (0..<3).map { try store.worker("w\($0)", pid: 20 + $0).queue }
    let taken = Record<Int64>()
    try await withThrowingTaskGroup(of: Void.self) { group in
      for queue in queues {
        group.addTask {
          try await OwnThread.run {
            for outcome in outcomes {
              switch try queue.collect(outcome, of: batch) {
              case .taken: taken.add(outcome.job)
              case .known: break
              case .unwanted: Issue.record("job \(outcome.job) is unwanted")
              }
            }
            _ = try queue.settleShards(batch)
          }
        }
      }
      try await group.waitForAll()
    }
    #expect(taken.all.sorted() == Array(1...20))
    let counts = try store.client.batch(1).counts
    #expect(counts.done == 19 && counts.failed == 1 && counts.total == 20)
    #expect(try store.client.batch(1).shards == nil)
    for job in [1, 20] as [Int64] {
      let details = try store.client.details(job: job)
      #expect(details.images.count == 1)
      #expect(details.events.count { $0.kind == .collected && $0.job == job } == 1)
      // Whoever was last to bring one home has ended the shards, once.
      #expect(details.events.count { $0.kind == .collected && $0.job == nil } == 1)
    }
  }

  /// Two batches that go into one folder at the same time: one of them does.
  @Test(arguments: StoreKind.here)
  func aFolderIsOneBatchs(kind: StoreKind) async throws {
    let store = try TestStore(kind)
    for _ in 0..<4 { try store.enqueue("a", "b") }
    let queues = try (0..<4).map { try store.worker("w\($0)", pid: 20 + $0).queue }
    let (made, refused) = (Record<Int64>(), Record<Int64>())
    try await withThrowingTaskGroup(of: Void.self) { group in
      for (index, queue) in queues.enumerated() {
        group.addTask {
          try await OwnThread.run {
            let batch = Int64(index + 1)
            do {
              _ = try queue.putInShards(batch: batch, folder: "/shards")
              made.add(batch)
            } catch JobStoreError.shards(batch, _) {
              refused.add(batch)
            }
          }
        }
      }
      try await group.waitForAll()
    }
    #expect(made.all.count == 1 && refused.all.count == 3)
    #expect(try store.client.batchesInShards(among: nil, limit: 16).map(\.id) == made.all)
    #expect(try store.client.jobsInShards(batch: nil) == 2)
  }
}
