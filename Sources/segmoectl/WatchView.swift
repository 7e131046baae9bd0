import Foundation
import JobStore

/// What `watch` watches.
enum WatchScope: Equatable {
  case everything
  case batch(Int64)
  case jobs([Int64])
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
    let terminal = ProcessInfo.processInfo.environment["TERM"] ?? "dumb"
    return isatty(STDOUT_FILENO) != 0 && terminal != "dumb" ? .bars : .lines
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
  /// Batches that wait for others.
  var batches: [BatchRecord]

  static let mostRunning = 16

  /// - Throws: `JobStoreError`
  init(_ scope: WatchScope, _ store: QueueClient) throws {
    var filter = JobFilter()
    filter.states = [.running]
    filter.limit = Self.mostRunning
    let status = try store.status()
    isPaused = status.isPaused
    switch scope {
    case .everything:
      counts = status.counts
      running = try store.list(filter)
      waits = try store.waits()
      batches = try store.waitingBatches()
    case .batch(let id):
      let batch = try store.batch(id)
      counts = batch.counts
      isPaused = isPaused || batch.isPaused
      filter.batch = id
      running = try store.list(filter)
      waits = try store.waits(batch: id)
      batches = batch.waitsFor == nil ? [] : [batch]
    case .jobs(let ids):
      var all = JobFilter()
      all.jobs = ids
      let jobs = try store.list(all)
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
        among: Set(jobs.filter { $0.state == .queued && $0.isHeld }.map(\.batch)))
      running = Array(jobs.filter { $0.state == .running }.prefix(Self.mostRunning))
    }
  }
}
