import Foundation
import JobStore
import Requests
import TestSupport
import Testing

/// What both stores promise of jobs that are in shards. How they come home: `CollectConformanceTests`.
@Suite struct ShardConformanceTests {
  @Test(arguments: StoreKind.here)
  func whatWaitsGoesAndWhatRunsStays(kind: StoreKind) throws {
    let store = try TestStore(kind)
    var later = request("c")
    later.runAfter = Date(timeIntervalSinceNow: 3600).milliseconds
    try store.client.enqueue(BatchRequest(name: "b"), [request("a"), request("b", priority: -1), later])
    try store.enqueue("d")
    let worker = try store.worker()
    #expect(try worker.claim()?.lease.job == 1)
    let made = try store.client.putInShards(batch: 1, folder: "/shards")
    // Those of the higher priority first.
    #expect(made.batch == 1 && made.folder == "/shards" && made.jobs == [3, 2])
    #expect(try store.client.shardedBatch(key: made.key) == made)
    #expect(try store.client.shardedBatch(folder: "/shards") == made)
    #expect(try store.client.shardedBatch(key: "k") == nil)
    #expect(try store.client.shardedBatch(folder: "/") == nil)
    // Daemons leave them alone.
    #expect(try worker.claim()?.lease.job == 4)
    #expect(try worker.claim() == nil)
    let jobs = try store.client.list(JobFilter())
    #expect(jobs.map(\.shards) == [nil, "/shards", "/shards", nil])
    #expect(jobs.map(\.isHeld) == [false, true, true, false])
    #expect(try store.client.batch(1).shards == "/shards")
    #expect(try store.client.batch(2).shards == nil)
    #expect(try store.client.batchesInShards(among: nil, limit: 16).map(\.id) == [1])
    #expect(try store.client.batchesInShards(among: [2], limit: 16) == [])
    #expect(try store.client.batchesInShards(among: [], limit: 16) == [])
    #expect(try store.client.jobsInShards(batch: nil) == 2)
    #expect(try store.client.jobsInShards(batch: 2) == 0)
    #expect(try store.client.status().counts == StateCounts([.queued, .queued, .running, .running]))
    let event = try #require(try store.client.details(job: 2).events.last)
    #expect(event.kind == .sharded && event.detail == "jobs: 2, in /shards")
  }

  /// A sharding that was interrupted is made anew; nothing changes in the queue.
  @Test(arguments: StoreKind.here)
  func theSameFolderOnceMore(kind: StoreKind) throws {
    let store = try TestStore(kind)
    try store.enqueue("a", "b")
    let made = try store.client.putInShards(batch: 1, folder: "/shards")
    let before = try store.client.details(job: 1)
    #expect(try store.client.putInShards(batch: 1, folder: "/shards") == made)
    #expect(try store.client.details(job: 1) == before)
  }

  @Test(arguments: StoreKind.here)
  func whatCannotGo(kind: StoreKind) throws {
    let store = try TestStore(kind)
    func refusal(_ batch: Int64, _ folder: String = "/new") -> String {
      guard
        case .shards(batch, let reason)? = storeError({
          _ = try store.client.putInShards(batch: batch, folder: folder)
        })
      else { return "" }
      return reason
    }
    try store.client.enqueue(BatchRequest(name: "one"), [request("a")])
    _ = try store.client.putInShards(batch: 1, folder: "/shards")
    try store.client.enqueue(BatchRequest(after: "one"), [request("b")])
    try store.client.enqueue(BatchRequest(hasOneNumerics: true), [request("c")])
    try store.enqueue("d")
    _ = try store.client.cancel(.batch(4), discard: false)
    #expect(refusal(1).contains("its jobs are in shards /shards"))
    #expect(refusal(2, "/shards").contains("is where the jobs of batch 1 are"))
    #expect(refusal(2).contains("waits for another batch"))
    #expect(refusal(3).contains("one class of numerics"))
    #expect(refusal(4).contains("no waiting jobs"))
    #expect(
      storeError { _ = try store.client.putInShards(batch: 9, folder: "/new") }
        == .notFound(thing: "batch", id: "9"))
    #expect(try store.client.jobsInShards(batch: nil) == 1)
    #expect(try store.client.batchesInShards(among: nil, limit: 16).map(\.id) == [1])
    // Once its first job has begun, the class is known.
    let worker = try store.worker(class: "c")
    try store.client.setPaused(true, batch: 3)
    #expect(try worker.claim() == nil)
    try store.client.setPaused(false, batch: 3)
    try worker.giveBack(worker.awaitJob().lease)
    let made = try store.client.putInShards(batch: 3, folder: "/new")
    #expect(try TestShard(store, made).look { try $0.batch(3).waitsFor } == "a daemon of c")
  }

  /// Neither an edit nor a retry, a pause, another priority or a purge gets at what other machines render.
  @Test(arguments: StoreKind.here)
  func theyStayAsTheyAre(kind: StoreKind) throws {
    let store = try TestStore(kind)
    try store.enqueue("a", "b")
    _ = try store.client.putInShards(batch: 1, folder: "/shards")
    #expect(
      storeError { _ = try store.client.edit(job: 1) { $0.render.steps = 3 } }
        == .notEditable(job: 1, reason: "is in shards"))
    #expect(
      storeError { _ = try store.client.plannedEdit(job: 1) { _ in } }
        == .notEditable(job: 1, reason: "is in shards"))
    let refused = JobStoreError.retriedInShards(job: 1, batch: 1)
    #expect(storeError { _ = try store.client.retry(.job(1)) } == refused)
    #expect(storeError { _ = try store.client.retrial(of: .job(1)) } == refused)
    #expect(try store.client.retry(.batch(1)) == 0)
    try store.client.setPriority(5, job: 2)
    for isPaused in [true, false] { try store.client.setPaused(isPaused, batch: 1) }
    #expect(try store.client.purge(Retention(), atOnce: 10) { _ in } == 0)
    #expect(try store.worker().claim() == nil)
    #expect(try store.client.jobsInShards(batch: 1) == 2)
  }

  /// One that is cancelled and wanted again is where it was, unless the shards are over.
  @Test(arguments: StoreKind.here, [JobScope.job(1), .batch(1)])
  func cancelledAndWantedAgain(kind: StoreKind, scope: JobScope) throws {
    let store = try TestStore(kind)
    try store.enqueue("a", "b")
    _ = try store.client.putInShards(batch: 1, folder: "/shards")
    #expect(try store.client.cancel(.job(1), discard: false) == Cancellation(cancelled: 1, stopping: 0))
    #expect(try store.client.jobsInShards(batch: 1) == 1)
    #expect(try store.client.retry(scope) == 1)
    #expect(try store.client.jobsInShards(batch: 1) == 2)
    let worker = try store.worker()
    #expect(try worker.claim() == nil)
    _ = try store.client.cancel(.job(1), discard: false)
    #expect(try store.client.takeOutOfShards(batch: 1) == 1)
    #expect(try store.client.retry(scope) == 1)
    #expect(try store.client.jobsInShards(batch: 1) == 0)
    #expect(try [worker.awaitJob().lease.job, worker.awaitJob().lease.job] == [1, 2])
  }

  @Test(arguments: StoreKind.here)
  func whatIsGivenUpIsThisQueuesAgain(kind: StoreKind) throws {
    let store = try TestStore(kind)
    var later = request("b")
    later.runAfter = Date(timeIntervalSinceNow: 3600).milliseconds
    try store.client.enqueue(BatchRequest(), [request("a"), later, request("c", priority: 2)])
    let made = try store.client.putInShards(batch: 1, folder: "/shards")
    #expect(try store.client.settleShards(made) == 3)
    #expect(try store.client.batch(1).shards == "/shards")
    #expect(try store.client.takeOutOfShards(batch: 1) == 3)
    // The key stays: what was rendered nevertheless is left out, and harms nothing.
    let left = try #require(try store.client.shardedBatch(key: made.key))
    #expect(left == ShardedBatch(batch: 1, key: made.key, folder: nil, jobs: []))
    #expect(try store.client.shardedBatch(folder: "/shards") == nil)
    #expect(try store.client.list(JobFilter()).allSatisfy { $0.shards == nil && !$0.isHeld })
    let event = try #require(try store.client.details(job: 1).events.last)
    #expect(event.kind == .collected && event.detail == "jobs taken back: 3")
    #expect(try store.client.details(job: 2).job.runAfter == later.runAfter)
    let worker = try store.worker()
    #expect(try [worker.awaitJob().lease.job, worker.awaitJob().lease.job] == [3, 1])
    #expect(try worker.claim() == nil)
    #expect(try store.client.settleShards(made) == 0)
    // What waits may go once more, under another key.
    let again = try store.client.putInShards(batch: 1, folder: "/shards")
    #expect(again.jobs == [2] && again.key != made.key)
  }

  /// The small queue has the jobs as they were asked for, under their numbers.
  @Test(arguments: StoreKind.here)
  func theShardIsTheQueueOfItsJobs(kind: StoreKind) throws {
    let store = try TestStore(kind)
    var rich = request("ünï 'quoted' \"twice\"\n\\", count: 2)
    (rich.render.seed, rich.render.scheduler, rich.maxAttempts) = (.max, .ddim, 7)
    rich.render.loras = [LoRAReference(path: "l", weight: 0.5)]
    (rich.priority, rich.runAfter) = (-3, Date(timeIntervalSinceNow: 3600).milliseconds)
    try store.client.enqueue(
      BatchRequest(name: "n", namePattern: "{job}"), [request("a"), rich, request("c")])
    let made = try store.client.putInShards(batch: 1, folder: "/shards")
    let jobs = try TestShard(store, made, jobs: [3, 2]).look { there in
      try there.list(JobFilter()).map { try there.details(job: $0.id).job }
    }
    #expect(jobs.map(\.id) == [2, 3])
    // A machine that has it must not wait.
    rich.runAfter = nil
    for job in jobs {
      let id = job.id
      let here = try store.client.details(job: id).job
      #expect(job.request == (id == 2 ? rich : here.request))
      #expect(job.createdAt == here.createdAt && job.batchName == "n" && job.namePattern == "{job}")
      #expect(!job.isInShards && here.isInShards)
    }
    #expect(storeError { _ = try store.client.cargo(of: [9], batch: 1) } == .notFound(thing: "job", id: "9"))
  }

  /// What a person at psql or sqlite3 sees is what `list` says; a daemon's drain does not wait for them.
  @Test(arguments: StoreKind.here)
  func nothingIsDueOfThem(kind: StoreKind) throws {
    let store = try TestStore(kind)
    try store.enqueue("a", "b")
    _ = try store.client.putInShards(batch: 1, folder: "/shards")
    let gauges = try store.client.gauges()
    #expect(gauges.due == 0 && gauges.dueSince == nil && gauges.openBatches == 1)
    #expect(gauges.counts.queued == 2)
    let worker = try store.worker()
    #expect(try worker.claim() == nil)
    #expect(try worker.nextDue(numericsPatience: 120) == nil)
  }
}
