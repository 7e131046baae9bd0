import Foundation
import Images
import JobStore

/// What `watch` watches.
enum WatchScope: Equatable {
  case everything
  case batch(Int64)
  case jobs([Int64])

  /// Which jobs these are.
  var filter: JobFilter {
    var filter = JobFilter()
    switch self {
    case .everything: break
    case .batch(let id): filter.batch = id
    case .jobs(let ids): filter.jobs = ids
    }
    return filter
  }
}

/// How `watch` shows it.
enum WatchStyle: Equatable {
  /// Redrawn in place.
  case bars
  /// One line for each event.
  case lines
  /// One line of JSON for each event.
  case json
  /// Nothing at all.
  case silent

  /// Bars on a terminal that can move its cursor.
  static func suitable() -> WatchStyle {
    TerminalAbility.isThere(ProcessInfo.processInfo.environment) ? .bars : .lines
  }
}

/// The jobs at one moment.
struct WatchView: Equatable {
  var counts: StateCounts
  var isPaused: Bool
  /// Running jobs, at most as many as fit the screen.
  var running: [JobSummary]
  /// What jobs wait for of a hub.
  var waits: [SourceRecord]
  /// Batches that wait for others, or for a daemon of a class of numerics.
  var batches: [BatchRecord]
  /// Batches that are rendered elsewhere, from shards.
  var sharded: [BatchRecord]
  /// Whether all jobs that are not over are rendered elsewhere: no daemon of this queue can do anything for them.
  var isElsewhere: Bool
  /// Until all are over; nil: nobody knows, or nobody asked.
  var secondsLeft: Double?

  static let mostRunning = 16
  /// The most lines about what jobs wait for, or about batches.
  private static let mostWaits = 16

  /// - Parameters:
  ///   - scope: what is watched.
  ///   - store: the queue.
  /// - Throws: `JobStoreError`
  init(_ scope: WatchScope, _ store: any JobQueue) throws {
    var filter = scope.filter
    filter.states = [.running]
    filter.limit = Self.mostRunning
    let status = try store.status()
    isPaused = status.isPaused
    let elsewhere: Int
    switch scope {
    case .everything:
      counts = status.counts
      running = try store.list(filter)
      waits = try store.waits(batch: nil, limit: Self.mostWaits)
      batches = try store.waitingBatches(among: nil, limit: Self.mostWaits)
      sharded = try store.batchesInShards(among: nil, limit: Self.mostWaits)
      elsewhere = sharded.isEmpty ? 0 : try store.jobsInShards(batch: nil)
    case .batch(let id):
      let batch = try store.batch(id)
      counts = batch.counts
      isPaused = isPaused || batch.isPaused
      running = try store.list(filter)
      waits = try store.waits(batch: id, limit: Self.mostWaits)
      batches = batch.waitsFor == nil ? [] : [batch]
      sharded = batch.shards == nil ? [] : [batch]
      elsewhere = sharded.isEmpty ? 0 : try store.jobsInShards(batch: id)
    case .jobs(let ids):
      let jobs = try store.list(scope.filter)
      if let missing = Set(ids).subtracting(jobs.map(\.id)).min() {
        throw JobStoreError.notFound(thing: "job", id: "\(missing)")
      }
      counts = StateCounts(jobs.map(\.state))
      waits = try jobs.filter { $0.waitsFor != nil }.prefix(Self.mostRunning)
        .flatMap { try store.sources(job: $0.id) }
        .reduce(into: []) { waits, source in
          if source.state != .ready, !waits.contains(source) { waits.append(source) }
        }
      batches = try store.waitingBatches(
        among: Set(jobs.filter { $0.state == .queued && ($0.isHeld || $0.waitsFor != nil) }.map(\.batch)),
        limit: Self.mostWaits)
      let away = jobs.filter { $0.shards != nil }
      sharded = try store.batchesInShards(among: Set(away.map(\.batch)), limit: Self.mostWaits)
      elsewhere = away.count
      running = Array(jobs.filter { $0.state == .running }.prefix(Self.mostRunning))
    }
    isElsewhere = elsewhere > 0 && elsewhere >= counts.open
  }
}

extension JobSummary {
  /// Why a picture that is done is not on its disk yet, e.g. that the disk is full; nil if it need not wait.
  var writingWait: String? {
    // What an earlier attempt failed of is none.
    guard state == .running, images.contains(where: { $0.phase == .writing }), let failure,
      failure.kind == .transient
    else { return nil }
    return failure.message
  }
}
