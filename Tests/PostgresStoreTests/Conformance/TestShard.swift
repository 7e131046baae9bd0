import JobStore
import Requests
import TestSupport

/// A shard of some jobs of a batch, and a worker in the place of a cluster. Nothing is drawn.
struct TestShard {
  private let folder: TemporaryFolder
  private let batch: Int64
  let jobs: [Int64]

  /// The class of numerics of its machine.
  static let numerics = "1/avx2"
  static let digest = String(repeating: "d", count: 64)

  /// - Parameters:
  ///   - store: the queue that has the jobs.
  ///   - sharded: their batch.
  ///   - jobs: nil: all that are in shards.
  init(_ store: TestStore, _ sharded: ShardedBatch, jobs: [Int64]? = nil) throws {
    folder = try TemporaryFolder()
    batch = sharded.batch
    self.jobs = jobs ?? sharded.jobs
    try ShardQueue.makeEmpty(folder.file("empty.sqlite"), in: folder.path)
    try ShardQueue.make(
      folder.file("queue.sqlite"), from: folder.file("empty.sqlite"), of: self.jobs, batch: batch,
      in: store.client
    ) { _, _, name in name }
  }

  /// Looks at what is in it.
  func look<Value>(_ body: (QueueClient) throws -> Value) throws -> Value {
    try body(QueueClient.open(path: folder.file("queue.sqlite")))
  }

  /// Renders all that is in it, and says how that ended.
  /// - Parameter failing: jobs that fail.
  func outcomes(failing: Set<Int64> = []) throws -> [ShardOutcome] {
    let worker = try WorkerSession.signOn(
      QueueDatabase.open(path: folder.file("queue.sqlite"), role: .daemon),
      WorkerRecord(name: "shard-0", pid: 1, host: "node", version: "1", numerics: Self.numerics),
      leaseSeconds: 600
    ) { _ in true }
    while let claimed = try worker.claim() {
      let id = claimed.lease.job
      guard !failing.contains(id) else {
        try worker.fail(claimed.lease, message: "it is wrong", kind: .badInput, backoff: Backoff())
        continue
      }
      var statistics = RenderStatistics()
      (statistics.cacheHits, statistics.peakBytes) = (7, 1 << 30)
      try worker.finish(
        claimed.lease, images: Self.images(of: claimed.job), statistics: statistics, modelDigest: Self.digest)
    }
    let copy = folder.file("copy.sqlite")
    _ = try ShardQueue.leave(folder.file("queue.sqlite"), output: "/node/out", as: copy)
    return try ShardFile(copy).outcomes(of: Set(jobs), batch: batch) { _, _ in }
  }

  /// The pictures that a job asks for, on the machine that rendered them.
  private static func images(of job: JobRecord) -> [ImageRecord] {
    (0..<job.request.render.count).map { index in
      ImageRecord(
        index: index, path: "/node/out/\(job.batch)/\(job.id)-\(index).png",
        seed: job.request.render.picture(index).seed, width: 512, height: 512,
        digest: String(repeating: "\((job.id + Int64(index)) % 10)", count: 64), bytes: 1000, seconds: 2.5,
        numerics: numerics)
    }
  }
}

extension TestStore {
  /// Puts a batch into shards, and has them rendered.
  func rendered(
    _ batch: Int64 = 1, failing: Set<Int64> = []
  ) throws -> (sharded: ShardedBatch, outcomes: [ShardOutcome]) {
    let sharded = try client.putInShards(batch: batch, folder: "/shards")
    return (sharded, try TestShard(self, sharded).outcomes(failing: failing))
  }
}
