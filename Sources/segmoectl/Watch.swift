import ArgumentParser
import CommandLine
import Foundation
import Images
import JobStore

/// `segmoectl watch`
struct Watch: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Watch jobs until all are over.",
    discussion: """
      Without arguments these are the jobs that are not over, and those that come. On a terminal it shows progress \
      bars with the time left, by what jobs of the same models and sizes took. Elsewhere (a pipe, a log, TERM=dumb) it \
      prints a line for each event. The exit code is 0 when all jobs are over, even if some failed. --preview shows below \
      each bar what its picture looks like so far, if the daemon makes previews; it needs a terminal.
      """)

  @OptionGroup var location: Location

  @Argument(help: "Only these jobs.")
  var jobs: [Int64] = []

  @Option(help: ArgumentHelp("Only this batch: its number or name.", valueName: "batch"))
  var batch: BatchReference?

  @Flag(help: "Show what the pictures look like so far.")
  var preview = false

  @Option(
    name: .customLong("protocol"),
    help: ArgumentHelp(
      "How --preview shows pictures: \(TerminalProtocol.allCases.map(\.rawValue).joined(separator: ", ")) (default: blocks).",
      valueName: "name"))
  var way: TerminalProtocol?

  @OptionGroup var format: Format

  func validate() throws {
    if way != nil && !preview { throw ValidationError("--protocol is for --preview.") }
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
    let style = format.json ? WatchStyle.json : .suitable()
    guard !preview || style == .bars else {
      throw Problem.usage(
        "--preview shows pictures on a terminal: leave it out \(format.json ? "with --json" : "here")")
    }
    // A cursor moves over half blocks as over any text, in every terminal.
    let environment = ProcessInfo.processInfo.environment
    let ability = TerminalAbility(environment: environment, forced: way ?? .blocks)
    try WatchLoop(
      store: store, scope: scope, style: style, previews: preview ? WatchPreviews(ability) : nil
    ).run()
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
    TerminalAbility.isThere(ProcessInfo.processInfo.environment) ? .bars : .lines
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
      counts = status.counts.since(before)
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
