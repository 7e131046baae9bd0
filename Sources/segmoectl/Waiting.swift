import Boundary
import CommandLine
import Foundation
import JobStore

/// `--wait`: waits until all jobs of a batch are finished.
struct Waiting {
  let store: QueueClient
  let batch: Int64
  /// Whether nothing is shown meanwhile, and the outcome is JSON.
  let isJSON: Bool

  /// Returns when all jobs are done, and says where the pictures are.
  /// - Parameter finish: makes something of the pictures, once all jobs are over and some picture is there; returns what
  ///   JSON says of it besides.
  /// - Throws: `Problem`: code 69 if the model does not load or there is no daemon, 65 for bad input, otherwise 70.
  func run(finish: () throws -> [(String, JSONText)] = { [] }) throws {
    let style = isJSON ? WatchStyle.silent : .suitable()
    try WatchLoop(store: store, scope: .batch(batch), style: style).run()
    let counts = try store.batch(batch).counts
    var filter = JobFilter()
    filter.batch = batch
    let jobs = try store.list(filter)
    let paths = jobs.flatMap { $0.images.compactMap(\.path) }
    // Lines have said it already, job by job.
    if style == .bars {
      for path in paths { print(PlainText.line(path)) }
    }
    let more = paths.isEmpty ? [] : try finish()
    if isJSON {
      let members = [("batch", JSONText.integer(batch))] + JSONText.counts(counts) + more
      print(JSONText.object(members + [("jobs", .array(jobs.map(JSONText.job)))]).text)
    }
    guard counts.done < counts.total else { return }
    let failures = try store.failures(batch: batch)
    let summary =
      "batch \(batch): \(counts.done) of \(counts.total) done, \(counts.failed) failed, \(counts.cancelled) cancelled"
    let message = "\(summary); `segmoectl list --batch \(batch) --state failed` says why"
    if counts.failed > 0, failures[.badInput] == counts.failed { throw Problem.badInput(message) }
    if counts.failed > 0, failures[.model] == counts.failed { throw Problem.unavailable(message) }
    throw Problem.failed(message)
  }
}
