import GRDB
import Requests

/// How far something is that jobs name of a hub.
package enum SourceState: String, CaseIterable, Sendable, Codable {
  /// No fetcher has it yet, or it is tried again later.
  case wanted
  case fetching
  /// It is on this machine.
  case ready
  /// It cannot be had; its jobs have failed.
  case failed
}

/// What the jobs of a batch name of a hub: a row of the table `sources`.
package struct SourceRecord: FetchableRecord, Sendable, Equatable {
  package var id: Int64
  package var batch: Int64
  /// As it was asked for.
  package var source: String
  package var use: ModelUse
  package var state: SourceState
  /// Source, share and time left: `segmind/SegMoE-4x2-v0, 31%, 4 min`.
  package var standing: String
  /// Of the last try.
  package var error: String?
  /// What it was found to be, with its commit. Its jobs name it so from then on.
  package var name: String?
  /// The commit, or CivitAI's version.
  package var revision: String?
  /// Where it lies.
  package var path: String?

  static let columns = "id, batch, source, use, state, standing, error, name, revision, path"

  /// - Throws: `JobStoreError.damagedRow`
  package init(row: Row) throws {
    let reader = RowReader(row: row, table: "sources")
    id = try reader.value("id")
    batch = try reader.value("batch")
    source = try reader.value("source")
    use = try reader.word("use")
    state = try reader.word("state")
    standing = try reader.value("standing")
    error = try reader.optional("error")
    name = try reader.optional("name")
    revision = try reader.optional("revision")
    path = try reader.optional("path")
  }
}

/// A program that fetches: a row of the table `fetchers`.
package struct FetcherRecord: FetchableRecord, Sendable, Equatable {
  package var name: String
  package var pid: Int
  package var host: String
  package var version: String
  package var startedAt: Milliseconds
  package var heartbeatAt: Milliseconds

  /// One that signs on; its name is made of host and process.
  package init(pid: Int, host: String, version: String) {
    name = "\(host):\(pid)"
    self.pid = pid
    self.host = host
    self.version = version
    startedAt = 0
    heartbeatAt = 0
  }

  /// - Throws: `JobStoreError.damagedRow`
  package init(row: Row) throws {
    let reader = RowReader(row: row, table: "fetchers")
    name = try reader.value("name")
    pid = try reader.value("pid")
    host = try reader.value("host")
    version = try reader.value("version")
    startedAt = try reader.value("started_at")
    heartbeatAt = try reader.value("heartbeat_at")
  }

  /// Whether its heartbeat is recent.
  package func isAlive(now: Milliseconds) -> Bool {
    abs(now - heartbeatAt) < WorkerRecord.heartbeatLimit
  }
}
