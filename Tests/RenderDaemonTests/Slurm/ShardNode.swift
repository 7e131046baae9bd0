import Foundation
import TestSupport
import Testing

/// A machine that renders shards, as a batch script does, without a batch system. It knows no queue but the shards.
struct ShardNode {
  /// The folder of the shards.
  let shards: String
  /// A folder of its own.
  let folder: String
  /// Its folder of models.
  let models: String

  /// Renders a shard, and brings home what came of it.
  /// - Returns: what the daemon says.
  @discardableResult
  func render(_ shard: Int, attempt: String = "1") throws -> String {
    let (work, words) = try begin(shard, attempt: attempt)
    try stage("out", shards, "\(shard)", work, "--attempt", attempt)
    return words
  }

  /// Renders a shard, and leaves it there.
  /// - Parameter models: another folder of models.
  /// - Returns: its folder, and what the daemon says.
  func begin(
    _ shard: Int, attempt: String, models: String? = nil
  ) throws -> (work: String, words: String) {
    let work = folder + "/work-\(shard)-\(attempt)"
    try FileManager.default.createDirectory(atPath: work, withIntermediateDirectories: true)
    try stage("in", shards, "\(shard)", work)
    return (work, try drain(work, shard, models: models))
  }

  /// Renders what it can of a shard that is here.
  @discardableResult
  func drain(_ work: String, _ shard: Int, models: String? = nil) throws -> String {
    let files = shards + "/files"
    let daemon = try Outcome(
      of: "segmoed",
      [
        "--drain", "--database", work + "/queue.sqlite", "--output", work + "/pictures", "--models",
        models ?? self.models, "--models", files, "--worker", "shard-\(shard)", "--threads", "1",
      ], environment: ["PATH": "/usr/bin:/bin"])
    #expect(daemon.code <= 1 && daemon.code >= 0, "\(daemon.errors)")
    return daemon.errors
  }

  private func stage(_ arguments: String...) throws {
    let outcome = try Outcome(
      of: "segmoectl", ["stage"] + arguments, environment: ["PATH": "/usr/bin:/bin"])
    try #require(outcome.code == 0, "\(arguments): \(outcome.errors)")
  }
}
