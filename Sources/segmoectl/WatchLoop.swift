import Boundary
import CommandLine
import Foundation
import JobStore

/// Watches the queue until all watched jobs are finished.
struct WatchLoop {
  let store: any JobQueue
  let scope: WatchScope
  let style: WatchStyle
  /// Makes the pictures below the bars; nil: there are none.
  var previews: WatchPreviews?

  /// Seconds without a living daemon after which waiting ends.
  static let patience: TimeInterval = 60

  /// - Throws: `JobStoreError.notFound`, `.replaced`, and `Problem.unavailable` if there is no daemon.
  func run() throws {
    var screen = BarScreen(previews: previews)
    var log = try EventLog(scope: scope, store: store)
    var estimate = QueueEstimate(scope.filter)
    var version: Int64?
    var drawn = Date.distantPast
    var daemon = DaemonWatch(patience: Self.patience)
    var fetcher = FetcherWatch(patience: Self.patience)
    // Whoever watches everything means what is open, and what comes: not all that ever was.
    var before = scope == .everything ? try store.status().counts : StateCounts()
    while true {
      let current = try store.changeMark()
      let now = Date()
      // It is also drawn every second, because the times on the bars change.
      if current != version || now.timeIntervalSince(drawn) >= 1 {
        version = current
        drawn = now
        // Without this, a queue that was moved or deleted would be watched for ever.
        try store.verify()
        var view = try WatchView(scope, store)
        before = before.atMost(view.counts)
        view.counts = view.counts.since(before)
        // How fast other machines are, nobody knows here.
        if style == .bars, view.sharded.isEmpty {
          view.secondsLeft = try estimate.secondsLeft(store, now: now)
        }
        switch style {
        case .bars: try screen.draw(view, from: store, now: now)
        case .lines, .json: try log.print(view, asJSON: style == .json, now: now)
        case .silent: break
        }
        if view.counts.open == 0 { return }
        try daemon.check(store, isNeeded: !view.isPaused && !view.isElsewhere, now: now)
        try fetcher.check(store, view, now: now)
      }
      Thread.sleep(forTimeInterval: max(store.lookPause, style == .bars ? 0.1 : 0))
    }
  }
}

/// Notices that no daemon works on the queue. It reports that once, and ends the wait after `patience`.
private struct DaemonWatch {
  let patience: TimeInterval
  private var missingSince: Date?
  private var hasSaid = false

  init(patience: TimeInterval) {
    self.patience = patience
  }

  /// - Parameter isNeeded: not for a paused queue, which is meant to wait, nor for jobs that are rendered elsewhere.
  /// - Throws: `Problem.unavailable`
  mutating func check(_ store: any JobQueue, isNeeded: Bool, now: Date) throws {
    if try !isNeeded || !store.livingWorkers().isEmpty {
      missingSince = nil
      return
    }
    let since = missingSince ?? now
    missingSince = since
    let missing = now.timeIntervalSince(since)
    if missing >= patience {
      throw Problem.unavailable("no segmoed works on \(store.path); the jobs stay queued: start segmoed")
    }
    if missing >= 2, !hasSaid {
      hasSaid = true
      complain("no segmoed works on \(store.path) at the moment; waiting for one to start")
    }
  }
}

/// Notices that nobody fetches what jobs wait for: says so once, and gives up when all jobs wait.
private struct FetcherWatch {
  let patience: TimeInterval
  private var missingSince: Date?
  private var hasSaid = false

  init(patience: TimeInterval) {
    self.patience = patience
  }

  /// - Throws: `Problem.unavailable`
  mutating func check(_ store: any JobQueue, _ view: WatchView, now: Date) throws {
    guard !view.waits.isEmpty, try store.fetchers().isEmpty else {
      missingSince = nil
      return
    }
    let since = missingSince ?? now
    missingSince = since
    let sources = view.waits.map(\.source).joined(separator: ", ")
    if now.timeIntervalSince(since) >= patience, view.running.isEmpty {
      throw Problem.unavailable(FetcherHint.text(sources))
    }
    if now.timeIntervalSince(since) >= 2, !hasSaid {
      hasSaid = true
      complain(FetcherHint.text(sources))
    }
  }
}

/// Prints what happens, line by line.
private struct EventLog {
  private let scope: WatchScope
  private let store: any JobQueue
  private var last: EventMark
  private var reported: [Int64: Date] = [:]
  private var waited: [Int64: (standing: String, at: Date)] = [:]
  /// Batches that were said to wait for others.
  private var waitingBatches: Set<Int64> = []
  /// Batches that were said to be in shards.
  private var shardedBatches: Set<Int64> = []

  /// The least seconds between two lines about a running job, or about what jobs wait for.
  private static let interval: TimeInterval = 5

  init(scope: WatchScope, store: any JobQueue) throws {
    self.scope = scope
    self.store = store
    last = try store.newestEvent()
  }

  mutating func print(_ view: WatchView, asJSON: Bool, now: Date) throws {
    while true {
      let news = try store.events(after: last)
      last = news.mark
      for event in news.events where concerns(event) {
        let paths = event.kind == .done ? try pictures(event) : []
        Swift.print(asJSON ? JSONText.happening(event, pictures: paths).text : Self.line(event))
        if !asJSON { for path in paths { Swift.print(PlainText.line("  \(path)")) } }
      }
      if news.events.isEmpty { break }
    }
    for job in view.running where now.timeIntervalSince(reported[job.id] ?? .distantPast) >= Self.interval {
      reported[job.id] = now
      Swift.print(asJSON ? QueueJSON.job.json(job).text : Self.line(job, now: now))
    }
    for source in view.waits {
      if let before = waited[source.id] {
        guard before.standing != source.standing, now.timeIntervalSince(before.at) >= Self.interval else {
          continue
        }
      }
      waited[source.id] = (standing: source.standing, at: now)
      Swift.print(
        asJSON ? QueueJSON.source.json(source).text : PlainText.line("waiting for \(source.standing)"))
    }
    for batch in view.batches where waitingBatches.insert(batch.id).inserted {
      Swift.print(asJSON ? QueueJSON.batch.json(batch).text : PlainText.line(batch.waitLine))
    }
    for batch in view.sharded where shardedBatches.insert(batch.id).inserted {
      Swift.print(asJSON ? QueueJSON.batch.json(batch).text : PlainText.line(batch.shardsLine))
    }
    if view.counts.open == 0, !asJSON { Swift.print(BarScreen.headline(view)) }
    fflush(nil)
  }

  /// Where the pictures of a job that is done are; none if it was purged since.
  private func pictures(_ event: Event) throws -> [String] {
    guard let job = event.job else { return [] }
    var filter = JobFilter()
    filter.jobs = [job]
    return try store.list(filter).flatMap { $0.images.compactMap(\.path) }
  }

  private func concerns(_ event: Event) -> Bool {
    switch scope {
    case .everything: true
    case .batch(let id): event.batch == id
    case .jobs(let ids): event.job.map(ids.contains) ?? false
    }
  }

  private static func line(_ event: Event) -> String {
    let subject = event.job.map { "job \($0) " } ?? event.batch.map { "batch \($0) " } ?? ""
    let detail = event.detail.map { ": \($0)" } ?? ""
    return PlainText.line(subject + event.kind.rawValue.replacingOccurrences(of: "_", with: " ") + detail)
  }

  private static func line(_ job: JobSummary, now: Date) -> String {
    let left = job.secondsLeft(now: now).map { ", \(TerminalText.duration($0)) left" } ?? ""
    let wait = job.writingWait.map { ", waits to write its picture: \($0)" } ?? ""
    return PlainText.line("job \(job.id) running \(job.step)/\(job.steps)\(left)\(wait)")
  }
}

extension JSONText {
  /// A line of `watch --json` about an event. Lines about running jobs are like an element of `list --json`.
  /// - Parameters:
  ///   - event: what happened.
  ///   - pictures: the pictures of the job, if it is done.
  static func happening(_ event: Event, pictures: [String]) -> JSONText {
    .object([
      ("event", .string(event.kind.rawValue)),
      ("at", .integer(event.at)),
      ("batch", .optional(event.batch)),
      ("job", .optional(event.job)),
      ("worker", .optional(event.worker)),
      ("detail", .optional(event.detail)),
      ("pictures", .array(pictures.map(JSONText.string))),
    ])
  }
}
