import Foundation
import JobStore
import Requests
import TestSupport
import Testing

/// What both stores promise of jobs that come home from shards.
@Suite struct CollectConformanceTests {
  /// An outcome whose pictures are where they belong at home.
  private func home(_ outcome: ShardOutcome) -> ShardOutcome {
    var own = outcome
    for index in own.images.indices { own.images[index].path = "/home/" + own.images[index].path }
    return own
  }

  @Test(arguments: StoreKind.here)
  func doneAndFailedJobsComeHome(kind: StoreKind) throws {
    let store = try TestStore(kind)
    try store.client.enqueue(BatchRequest(), [request("a", count: 2), request("b"), request("c")])
    try store.enqueue("d")
    let (sharded, outcomes) = try store.rendered(failing: [2])
    #expect(outcomes.map(\.job) == [1, 2, 3])
    for outcome in outcomes {
      #expect(try store.client.awaits(outcome, of: sharded))
      #expect(try store.client.collect(home(outcome), of: sharded) == .taken)
      // A second time changes nothing.
      let before = try store.client.details(job: outcome.job)
      #expect(try store.client.collect(home(outcome), of: sharded) == .known)
      #expect(try store.client.details(job: outcome.job) == before)
      #expect(try !store.client.awaits(outcome, of: sharded))
    }
    #expect(
      try store.client.status().counts == StateCounts([.queued, .done, .done, .failed]))
    #expect(try store.client.batch(1).counts == StateCounts([.done, .done, .failed]))
    let (done, failed) = (try store.client.details(job: 1), try store.client.details(job: 2))
    #expect(done.images == home(outcomes[0]).images)
    #expect(done.images.map(\.path) == ["/home/1/1-0.png", "/home/1/1-1.png"])
    #expect(done.images.allSatisfy { $0.numerics == TestShard.numerics })
    #expect(done.job.attempts == 1 && done.job.completion?.modelDigest == TestShard.digest)
    #expect(done.job.completion?.statistics?.cacheHits == 7)
    #expect(done.job.startedAt == outcomes[0].startedAt && done.job.finishedAt == outcomes[0].finishedAt)
    #expect(!done.summary.isHeld && done.summary.shards == nil)
    #expect(failed.job.failure?.message == "it is wrong" && failed.job.failure?.kind == .badInput)
    #expect(failed.images == [])
    for (details, last) in [(done, Event.Kind.done), (failed, .failed)] {
      let kinds = details.events.filter { $0.job != nil }.map(\.kind)
      #expect(Set(kinds) == [.claimed, last, .collected] && kinds.count == 3)
      #expect(details.events.contains { $0.worker == "shard-0" && $0.kind == .claimed })
    }
    #expect(try store.client.failures(batch: 1) == [.badInput: 1])
    #expect(try store.client.batch(1).shards == "/shards")
    #expect(try store.client.settleShards(sharded) == 0)
    #expect(try store.client.batch(1).shards == nil)
    // What failed is queued here, and nowhere else.
    #expect(try store.client.retry(.batch(1)) == 1)
    #expect(try store.worker().claim()?.lease.job == 2)
  }

  /// What was cancelled here, given up, or never in these shards, is left out.
  @Test(arguments: StoreKind.here)
  func whatIsNotAwaited(kind: StoreKind) throws {
    let store = try TestStore(kind)
    try store.enqueue("a", "b", "c")
    let (sharded, outcomes) = try store.rendered()
    var other = sharded
    other.key = "another"
    #expect(try store.client.collect(home(outcomes[0]), of: other) == .unwanted)
    _ = try store.client.cancel(.job(1), discard: false)
    #expect(try !store.client.awaits(outcomes[0], of: sharded))
    #expect(try store.client.collect(home(outcomes[0]), of: sharded) == .unwanted)
    #expect(try store.client.collect(home(outcomes[1]), of: sharded) == .taken)
    // Rendered by other machines, too, to other bytes.
    var differs = home(outcomes[1])
    differs.images[0].digest = String(repeating: "f", count: 64)
    #expect(try store.client.collect(differs, of: sharded) == .unwanted)
    #expect(try store.client.takeOutOfShards(batch: 1) == 1)
    #expect(try store.client.collect(home(outcomes[2]), of: sharded) == .unwanted)
    var stranger = home(outcomes[2])
    stranger.job = 99
    #expect(try store.client.collect(stranger, of: sharded) == .unwanted)
    #expect(try store.client.status().counts == StateCounts([.queued, .done, .cancelled]))
    #expect(try store.worker().awaitJob().lease.job == 3)
  }

  /// Pictures that the job did not ask for end nothing.
  @Test(arguments: StoreKind.here, ["too few", "too many", "another seed", "another name"])
  func picturesThatAreNotItsOwn(kind: StoreKind, fault: String) throws {
    let store = try TestStore(kind)
    try store.client.enqueue(BatchRequest(), [request("a", count: 2)])
    let (sharded, outcomes) = try store.rendered()
    var wrong = try #require(outcomes.first)
    switch fault {
    case "too few": wrong.images.removeLast()
    case "too many": wrong.images.append(wrong.images[0])
    case "another seed": wrong.images[1].seed = 99
    default: wrong.images[1].path = "2/1-1.png"
    }
    let before = try store.client.details(job: 1)
    guard
      case .damagedRow(table: "images", _, _)? = storeError({
        _ = try store.client.awaits(wrong, of: sharded)
      })
    else {
      Issue.record("it is awaited")
      return
    }
    if fault != "another name" {
      guard
        case .damagedRow(table: "images", _, _)? = storeError({
          _ = try store.client.collect(wrong, of: sharded)
        })
      else {
        Issue.record("it was taken")
        return
      }
    }
    #expect(try store.client.details(job: 1) == before)
    #expect(try store.client.collect(home(outcomes[0]), of: sharded) == .taken)
  }

  /// Numbers and times of another machine may be anything.
  @Test(arguments: StoreKind.here)
  func whatIsOutOfBoundsIsBounded(kind: StoreKind) throws {
    let store = try TestStore(kind)
    try store.enqueue("a", "b")
    let (sharded, outcomes) = try store.rendered(failing: [2])
    var (done, failed) = (home(outcomes[0]), outcomes[1])
    let ahead: Milliseconds = 9_000_000_000_000
    (done.attempts, done.startedAt, done.finishedAt) = (.max, ahead, ahead)
    (done.statistics.cacheHits, done.statistics.stall, done.statistics.peakBytes) = (.max, .min, -1)
    for index in done.events.indices { done.events[index].at = ahead }
    failed.attempts = .min
    failed.failure = JobFailure(message: "a\0b\u{1B}[31m\n\\", kind: nil)
    (failed.startedAt, failed.finishedAt) = (nil, nil)
    let start = try store.client.now()
    #expect(try store.client.collect(done, of: sharded) == .taken)
    #expect(try store.client.collect(failed, of: sharded) == .taken)
    let now = try store.client.now()
    let (one, two) = (try store.client.details(job: 1), try store.client.details(job: 2))
    #expect(one.job.attempts == 3 && two.job.attempts == 1)
    #expect(try (start...now).contains(#require(one.job.finishedAt)))
    #expect(one.job.startedAt == one.job.finishedAt && two.job.startedAt == nil)
    #expect(try (start...now).contains(#require(two.job.finishedAt)))
    #expect(one.events.allSatisfy { $0.at <= now })
    let statistics = try #require(one.job.completion?.statistics)
    #expect(statistics.cacheHits == 1 << 53 && statistics.stall == 0 && statistics.peakBytes == 0)
    #expect(two.job.failure?.kind == .transient)
    #expect(two.job.failure?.message == #"a\0b\u{1B}[31m\n\"#)
  }

  /// Pictures of an earlier rendering stay known beside the new ones; states and pictures of one that was cut short go or stay
  /// as with any end.
  @Test(arguments: StoreKind.here)
  func whatWasThereBefore(kind: StoreKind) throws {
    let store = try TestStore(kind)
    try store.enqueue("again", "begun", "begun too")
    let worker = try store.worker(class: TestShard.numerics)
    try worker.finish(#require(try worker.claim()))
    let begun = [try #require(try worker.claim()).lease, try #require(try worker.claim()).lease]
    for lease in begun {
      try worker.keep(Data([1]), step: 3, index: 0, modelDigest: "d", waiting: nil, lease)
      try worker.giveBack(lease)
    }
    #expect(try store.client.retry(.job(1)) == 1)
    let (sharded, outcomes) = try store.rendered(failing: [3])
    #expect(sharded.jobs == [1, 2, 3])
    for outcome in outcomes {
      #expect(try store.client.collect(home(outcome), of: sharded) == .taken)
      #expect(try store.client.checkpoint(job: outcome.job, index: 0) == nil)
    }
    #expect(try store.client.details(job: 1).images.map(\.path) == ["/home/1/1-0.png"])
    let paths = try store.client.expired(Retention(), limit: 10).first { $0.id == 1 }?.paths
    #expect(Set(paths ?? []) == ["/home/1/1-0.png", "/out/1-0.png"])
  }

  /// A batch that comes after this one begins when its last job is home.
  @Test(arguments: StoreKind.here)
  func whatFollowsBeginsThen(kind: StoreKind) throws {
    let store = try TestStore(kind)
    try store.client.enqueue(BatchRequest(name: "one"), [request("a"), request("b")])
    try store.client.enqueue(BatchRequest(after: "one"), [request("c")])
    let (sharded, outcomes) = try store.rendered(failing: [2])
    let worker = try store.worker()
    for outcome in outcomes {
      #expect(try worker.claim() == nil)
      #expect(try store.client.collect(home(outcome), of: sharded) == .taken)
    }
    #expect(try worker.awaitJob().lease.job == 3)
  }

  @Test(arguments: StoreKind.here)
  func machinesThatDifferAreNamed(kind: StoreKind) throws {
    let store = try TestStore(kind)
    try store.enqueue("a", "b")
    let (sharded, outcomes) = try store.rendered()
    #expect(try store.client.collect(home(outcomes[0]), of: sharded) == .taken)
    var mixtures = try store.client.mixtures(ofBatch: 1)
    #expect(mixtures.models == [] && mixtures.classes == [])
    var other = home(outcomes[1])
    other.modelDigest = String(repeating: "e", count: 64)
    other.images[0].numerics = "1/avx512"
    #expect(try store.client.collect(other, of: sharded) == .taken)
    mixtures = try store.client.mixtures(ofBatch: 1)
    #expect(mixtures.models == ["demo"] && mixtures.classes == [TestShard.numerics, "1/avx512"])
  }
}
