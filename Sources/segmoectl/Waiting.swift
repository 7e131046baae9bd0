import CommandLine
import Foundation
import JobStore

/// `--wait`: waits until all jobs of a batch are over.
struct Waiting {
  let store: QueueClient
  let batch: Int64
  /// Whether nothing is shown meanwhile.
  let isQuiet: Bool

  /// Returns when all jobs are done.
  /// - Throws: `Problem`: 69 when the model would not load or no daemon came, 65 for bad input, 70 otherwise.
  func run() throws {
    try WatchLoop(store: store, scope: .batch(batch), style: isQuiet ? .silent : .suitable()).run()
    let counts = try store.batch(batch).counts
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
