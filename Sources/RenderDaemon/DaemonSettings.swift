import Foundation

/// How one daemon runs.
package struct DaemonSettings: Sendable, Equatable {
  /// The queue.
  package var database: String
  /// Below it, a folder per batch with its pictures.
  package var output: String
  /// Where models are looked for by name. If there are any, a job may only name models below them;
  /// if there are none, any folder that the daemon can read.
  package var modelFolders: [String]
  /// Bytes of packed experts to hold; `Int.max` for no limit.
  package var memoryBudget: Int
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

  package init(
    database: String, output: String, modelFolders: [String] = [], memoryBudget: Int = .max,
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
}
