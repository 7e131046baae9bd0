import Foundation
import JobStore
import Logging
import Requests
import WeightCache

/// How one daemon runs.
package struct DaemonSettings: Sendable, Equatable {
  /// The queue.
  package var database: String
  /// Below it, a folder per batch with its pictures.
  package var output: String
  /// Where models are looked for by name. If there are any, a job may only name models below them;
  /// if there are none, any folder that the daemon can read.
  package var modelFolders: [String]
  /// What the process may take in all, in bytes; nil: what the machine has left.
  package var memoryBudget: Int?
  /// Threads that compute; nil: as many as there are processors to use.
  package var threads: Int?
  /// Tells daemons on one database apart.
  package var worker: String
  /// Render what is queued, then end.
  package var drain: Bool
  /// Seconds that a claimed job is this daemon's without a sign of life.
  package var leaseSeconds: Double
  /// Seconds between looks at the database when idle.
  package var pollSeconds: Double
  /// Steps from one checkpoint to the next; nil: so that writing them costs less than a hundredth.
  package var checkpointSteps: Int?
  /// Pictures of one model and size that may go through it together; nil: a few, and only where the model's
  /// weights do not all fit into the memory budget.
  package var coalesce: Int?
  /// What a job may ask for at most.
  package var limits = RenderLimits()
  /// Folders that pictures to start from must be below; empty: anywhere.
  package var inputFolders: [String] = []
  /// Which weights leave first when the budget is short.
  package var cachePolicy = CachePolicy.nextUse
  /// What is logged.
  package var logLevel = Logger.Level.info
  /// A file for Prometheus's node exporter, or none.
  package var metrics: String?

  package init(
    database: String, output: String, modelFolders: [String] = [], memoryBudget: Int? = nil,
    threads: Int? = nil, worker: String? = nil, drain: Bool = false, leaseSeconds: Double = 60,
    pollSeconds: Double = 0.01
  ) {
    self.database = database
    self.output = output
    self.modelFolders = modelFolders
    self.memoryBudget = memoryBudget
    self.threads = threads
    self.worker = worker ?? ProcessInfo.processInfo.hostName
    self.drain = drain
    self.leaseSeconds = leaseSeconds
    self.pollSeconds = pollSeconds
  }

  /// Takes over what a running daemon can change, and names what it cannot.
  package mutating func reload(_ new: DaemonSettings) -> [String] {
    var ignored: [String] = []
    if new.database != database { ignored.append("database") }
    if new.output != output { ignored.append("output") }
    if new.threads != threads { ignored.append("threads") }
    if new.worker != worker { ignored.append("worker") }
    if new.leaseSeconds != leaseSeconds { ignored.append("lease_seconds") }
    if new.checkpointSteps != checkpointSteps { ignored.append("checkpoint_steps") }
    if new.coalesce != coalesce { ignored.append("coalesce") }
    if new.cachePolicy != cachePolicy { ignored.append("cache_policy") }
    if new.metrics != metrics { ignored.append("metrics") }
    modelFolders = new.modelFolders
    inputFolders = new.inputFolders
    memoryBudget = new.memoryBudget
    limits = new.limits
    logLevel = new.logLevel
    return ignored
  }
}
