import Foundation
import JobStore
import Logging
import WeightCache

/// What one source (the file, the environment, the command line) says about how the daemon runs; nil
/// where it says nothing.
package struct DaemonConfiguration: Sendable, Equatable {
  package var database: String?
  package var output: String?
  package var models: [String]?
  /// Folders of pictures that jobs may start from.
  package var inputs: [String]?
  /// Bytes.
  package var memoryBudget: Int?
  package var threads: Int?
  package var worker: String?
  package var leaseSeconds: Double?
  package var checkpointSteps: Int?
  /// Pictures that may be rendered together.
  package var coalesce: Int?
  /// Which weights leave first.
  package var cachePolicy: CachePolicy?
  package var limits = Limits()
  package var logLevel: Logger.Level?
  /// A file for Prometheus's node exporter.
  package var metrics: String?

  /// What a job may ask for at most.
  package struct Limits: Sendable, Equatable {
    package var side: Int?
    package var steps: Int?
    package var count: Int?
    package var promptBytes: Int?
    package var loras: Int?

    package init() {}
  }

  package init() {}

  /// Where the file is unless `--config` names another.
  package static let standardFile = "/etc/segmoed/config.yaml"

  /// This, and where it says nothing, the other.
  package func over(_ other: DaemonConfiguration) -> DaemonConfiguration {
    var result = self
    result.database = database ?? other.database
    result.output = output ?? other.output
    result.models = models ?? other.models
    result.inputs = inputs ?? other.inputs
    result.memoryBudget = memoryBudget ?? other.memoryBudget
    result.threads = threads ?? other.threads
    result.worker = worker ?? other.worker
    result.leaseSeconds = leaseSeconds ?? other.leaseSeconds
    result.checkpointSteps = checkpointSteps ?? other.checkpointSteps
    result.coalesce = coalesce ?? other.coalesce
    result.cachePolicy = cachePolicy ?? other.cachePolicy
    result.limits.side = limits.side ?? other.limits.side
    result.limits.steps = limits.steps ?? other.limits.steps
    result.limits.count = limits.count ?? other.limits.count
    result.limits.promptBytes = limits.promptBytes ?? other.limits.promptBytes
    result.limits.loras = limits.loras ?? other.limits.loras
    result.logLevel = logLevel ?? other.logLevel
    result.metrics = metrics ?? other.metrics
    return result
  }

  /// Complete settings; defaults for what nobody said.
  ///
  /// As a service (`$STATE_DIRECTORY`) the queue, `pictures`, `models` and `inputs` are in its state folder;
  /// for a person the pictures are in `images` beside the queue, and models and inputs may be anywhere.
  package func settings(environment: [String: String], drain: Bool = false) -> DaemonSettings {
    // What the environment says of the database is a layer by now, and may have been overridden.
    let database =
      self.database ?? JobStore.defaultPath(environment: environment.filter { $0.key != "SEGMOE_DATABASE" })
    let state = environment["STATE_DIRECTORY"]?.split(separator: ":").first.map { String($0) }
    let beside = URL(fileURLWithPath: database).deletingLastPathComponent().path
    var settings = DaemonSettings(
      database: database, output: output ?? state.map { $0 + "/pictures" } ?? beside + "/images",
      modelFolders: models ?? state.map { [$0 + "/models"] } ?? [], memoryBudget: memoryBudget,
      threads: threads, worker: worker, drain: drain, leaseSeconds: leaseSeconds ?? 60)
    settings.checkpointSteps = checkpointSteps
    settings.coalesce = coalesce
    settings.cachePolicy = cachePolicy ?? settings.cachePolicy
    let standard = settings.limits
    settings.limits.side = limits.side ?? standard.side
    settings.limits.steps = limits.steps ?? standard.steps
    settings.limits.count = limits.count ?? standard.count
    settings.limits.promptBytes = limits.promptBytes ?? standard.promptBytes
    settings.limits.loras = limits.loras ?? standard.loras
    settings.logLevel = logLevel ?? .info
    settings.metrics = metrics
    settings.inputFolders = inputs ?? state.map { [$0 + "/inputs"] } ?? []
    return settings
  }

  /// What each number may be, the same from every source.
  enum Range {
    static let threads = 1...1024
    static let leaseSeconds = 1...86_400
    static let checkpointSteps = 1...100_000
    static let coalesce = 1...64
    static let side = 8...16_384
    static let steps = 1...100_000
    static let count = 1...1_000_000
    static let promptBytes = 1...1_048_576
    static let loras = 0...1000
  }
}
