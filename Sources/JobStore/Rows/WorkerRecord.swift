import Boundary
import Foundation
import GRDB

/// A daemon: a row of the table `workers`.
package struct WorkerRecord: FetchableRecord, Sendable, Equatable {
  package var name: String
  package var pid: Int
  package var host: String
  /// Where its process number means something (`ProcessSpace`); nil: it has not said.
  package var processSpace: String?
  package var version: String
  /// Its class of numerics, as the engine names it; nil: it has not said.
  package var numerics: String?
  package var state: WorkerState
  package var job: Int64?
  package var startedAt: Milliseconds
  package var heartbeatAt: Milliseconds
  /// When it last said which models are in its folders; nil: not yet, or it takes models from anywhere.
  package var modelsSeenAt: Milliseconds?

  package init(
    name: String, pid: Int, host: String, processSpace: String? = nil, version: String,
    numerics: String? = nil,
    state: WorkerState = .idle, job: Int64? = nil, startedAt: Milliseconds = 0, heartbeatAt: Milliseconds = 0
  ) {
    self.name = name
    self.pid = pid
    self.host = host
    self.processSpace = processSpace
    self.version = version
    self.numerics = numerics
    self.state = state
    self.job = job
    self.startedAt = startedAt
    self.heartbeatAt = heartbeatAt
  }

  /// - Throws: `JobStoreError.damagedRow`
  package init(row: Row) throws {
    let reader = RowReader(row: row, table: "workers")
    name = try reader.value("name")
    pid = try reader.value("pid")
    host = try reader.value("host")
    processSpace = try reader.optional("process_space")
    version = try reader.value("version")
    numerics = try reader.optional("numerics")
    let word: String = try reader.value("state")
    // The schema also allows 'loading' and 'draining'. No version writes them, but a row may hold them.
    state = ["loading", "draining"].contains(word) ? .rendering : try reader.word("state")
    job = try reader.optional("job")
    startedAt = try reader.value("started_at")
    heartbeatAt = try reader.value("heartbeat_at")
    modelsSeenAt = try reader.optional("models_seen_at")
  }

  /// A worker whose heartbeat is older hangs or has died.
  package static let heartbeatLimit: Milliseconds = 60_000

  /// Whether it has not signed off, its heartbeat is recent and its process is not known to have ended.
  /// - Parameters:
  ///   - now: the time.
  ///   - host: the name of this host, among whose processes its own is looked for; nil: not looked for.
  package func isAlive(now: Milliseconds, on host: String? = ProcessInfo.processInfo.hostName) -> Bool {
    if let host, host == self.host, ProcessSpace.hasEnded(pid: pid, in: processSpace) { return false }
    // A heartbeat in the future counts for nothing: a clock was ahead, or somebody wrote it.
    return state != .stopped && heartbeatAt > now - Self.heartbeatLimit
      && heartbeatAt < now + Self.heartbeatLimit
  }
}
