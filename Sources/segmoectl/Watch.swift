import ArgumentParser
import Foundation
import JobStore

/// `segmoectl watch`
struct Watch: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Watch jobs until all are over.",
    discussion: """
      Without arguments these are the jobs that are not over, and those that come. On a terminal it shows progress \
      bars with the time left, by what jobs of the same models and sizes took. Elsewhere (a pipe, a log, TERM=dumb) it prints a \
      line for each event. The exit code is 0 when all jobs are over, even if some failed.
      """)

  @OptionGroup var location: Location

  @Argument(help: "Only these jobs.")
  var jobs: [Int64] = []

  @Option(help: ArgumentHelp("Only this batch: its number or name.", valueName: "batch"))
  var batch: BatchReference?

  @OptionGroup var format: Format

  func validate() throws {
    if batch != nil && !jobs.isEmpty { throw ValidationError("Name jobs or a batch, not both.") }
  }

  func run() throws {
    let store = try location.open(for: .reading)
    let scope: WatchScope
    if let batch {
      scope = .batch(try batch.number(in: store))
    } else {
      scope = jobs.isEmpty ? .everything : .jobs(jobs)
    }
    try WatchLoop(store: store, scope: scope, style: format.json ? .json : .suitable()).run()
  }
}

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
    let terminal = ProcessInfo.processInfo.environment["TERM"] ?? "dumb"
    return isatty(STDOUT_FILENO) != 0 && terminal != "dumb" ? .bars : .lines
  }
}

/// The jobs at one moment.
struct WatchView: Equatable {
  /// Of everything only those that are not over, or were not when the watch began.
  var counts: StateCounts
  var isPaused: Bool
  /// Running jobs, at most as many as fit the screen.
  var running: [JobSummary]
  /// What jobs wait for of a hub.
  var waits: [SourceRecord]
  /// Until all are over; nil: nobody knows, or nobody asked.
  var secondsLeft: Double?

  static let mostRunning = 16

  /// - Parameters:
  ///   - scope: what is watched.
  ///   - store: the queue.
  ///   - before: the counts of the queue when the watch began.
  /// - Throws: `JobStoreError`
  init(_ scope: WatchScope, _ store: QueueClient, since before: StateCounts) throws {
    var filter = scope.filter
    filter.states = [.running]
    filter.limit = Self.mostRunning
    let status = try store.status()
    isPaused = status.isPaused
    switch scope {
    case .everything:
      counts = status.counts
      // A purge may have removed some of those that were over.
      counts.done = max(0, counts.done &- before.done)
      counts.failed = max(0, counts.failed &- before.failed)
      counts.cancelled = max(0, counts.cancelled &- before.cancelled)
      running = try store.list(filter)
      waits = try store.waits()
    case .batch(let id):
      let batch = try store.batch(id)
      counts = batch.counts
      isPaused = isPaused || batch.isPaused
      running = try store.list(filter)
      waits = try store.waits(batch: id)
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
      running = Array(jobs.filter { $0.state == .running }.prefix(Self.mostRunning))
    }
  }
}
