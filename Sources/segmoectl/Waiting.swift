import Boundary
import CommandLine
import Foundation
import JobStore

/// `--wait`: waits until all jobs of a batch are finished.
struct Waiting {
  let store: any JobQueue
  let batch: Int64
  /// Whether nothing is shown meanwhile, and the outcome is JSON.
  let isJSON: Bool
  /// The command of `--notify`.
  let notify: NotifyCommand?

  /// What `--json` says in the end.
  private static let outcome = JSONShape<(batch: Int64, counts: StateCounts, jobs: [JobSummary])>(
    [.value("batch") { .integer($0.batch) }] + QueueJSON.counts.members { $0.counts }
      + [.list("jobs", QueueJSON.job) { $0.jobs }])

  /// Returns when all jobs are done, and says where the pictures are. As JSON the jobs are also said as they are when the
  /// wait is given up.
  /// - Parameter finish: what is done with the pictures when all jobs are over, whatever became of them.
  /// - Throws: `Problem`: code 69 if the model does not load or there is no daemon, 65 for bad input, otherwise 70.
  func run(finish: () throws -> Void = {}) throws {
    try NotifyCommand.after(.batch(batch), of: store, run: notify) { try wait(finish) }
  }

  private func wait(_ finish: () throws -> Void) throws {
    let style = isJSON ? WatchStyle.silent : .suitable()
    do {
      try WatchLoop(store: store, scope: .batch(batch), style: style).run()
    } catch let problem as Problem {
      if isJSON { try printOutcome() }
      throw problem
    }
    let counts = try store.batch(batch).counts
    if isJSON {
      try printOutcome()
    } else if style == .bars {
      // Lines have said it already, job by job.
      for path in try jobs.flatMap({ $0.images.compactMap(\.path) }) { print(PlainText.line(path)) }
    }
    try finish()
    guard counts.done < counts.total else { return }
    let failures = try store.failures(batch: batch)
    let summary =
      "batch \(batch): \(counts.done) of \(counts.total) done, \(counts.failed) failed, \(counts.cancelled) cancelled"
    let message = "\(summary); `segmoectl list --batch \(batch) --state failed` says why"
    if counts.failed > 0, failures[.badInput] == counts.failed { throw Problem.badInput(message) }
    if counts.failed > 0, failures[.model] == counts.failed { throw Problem.unavailable(message) }
    throw Problem.failed(message)
  }

  private var jobs: [JobSummary] {
    get throws {
      var filter = JobFilter()
      filter.batch = batch
      return try store.list(filter)
    }
  }

  private func printOutcome() throws {
    let counts = try store.batch(batch).counts
    print(Self.outcome.json((batch: batch, counts: counts, jobs: try jobs)).text)
  }
}
