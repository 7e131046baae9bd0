import Foundation
import GRDB

/// A daemon: a row of the table `workers`.
package struct WorkerRecord: Sendable, Equatable {
  package var name: String
  package var pid: Int
  package var host: String
  package var version: String
  package var state: WorkerState
  package var job: Int64?
  package var startedAt: Milliseconds
  package var heartbeatAt: Milliseconds

  package init(
    name: String, pid: Int, host: String, version: String, state: WorkerState = .idle, job: Int64? = nil,
    startedAt: Milliseconds = 0, heartbeatAt: Milliseconds = 0
  ) {
    self.name = name
    self.pid = pid
    self.host = host
    self.version = version
    self.state = state
    self.job = job
    self.startedAt = startedAt
    self.heartbeatAt = heartbeatAt
  }

  /// - Throws: `JobStoreError.damagedRow`
  init(row: Row) throws {
    let reader = RowReader(row: row, table: "workers")
    name = try reader.value("name")
    pid = try reader.value("pid")
    host = try reader.value("host")
    version = try reader.value("version")
    let word: String = try reader.value("state")
    // The schema has 'loading' and 'draining' as well. No version writes them, but a row may hold one.
    state = ["loading", "draining"].contains(word) ? .rendering : try reader.word("state")
    job = try reader.optional("job")
    startedAt = try reader.value("started_at")
    heartbeatAt = try reader.value("heartbeat_at")
  }

  /// A worker whose heartbeat is older hangs or is gone.
  package static let heartbeatLimit: Milliseconds = 60_000

  /// It has not said goodbye, and its heartbeat is fresh.
  package func isAlive(now: Milliseconds) -> Bool {
    state != .stopped && heartbeatAt > now - Self.heartbeatLimit
  }
}

extension JobStore {
  /// Signs a daemon on. Jobs that an earlier daemon of this name left running are freed at once, each with
  /// a lost attempt.
  /// - Parameter processIsAlive: Whether the process of a worker of this host still runs, so that a restart
  ///   after a crash needn't wait for the old heartbeat to age.
  /// - Returns: the worker's row.
  /// - Throws: `JobStoreError.workerNameTaken` when another daemon of this name lives.
  @discardableResult
  package func register(
    _ worker: WorkerRecord, processIsAlive: (WorkerRecord) -> Bool
  ) throws -> WorkerRecord {
    guard !worker.name.isEmpty, worker.name.utf8.count <= 100 else {
      throw JobStoreError.invalidSetting(
        name: "worker", value: "'\(worker.name)'", rule: "use 1 to 100 bytes")
    }
    return try write { db, now in
      let row = try Row.fetchOne(db, sql: "SELECT * FROM workers WHERE name = ?", arguments: [worker.name])
      if let row {
        let old = try WorkerRecord(row: row)
        // In a container every daemon has the same process number, so our own number proves nothing lives.
        let isGone = old.host == worker.host && (old.pid == worker.pid || !processIsAlive(old))
        if old.isAlive(now: now) && !isGone {
          throw JobStoreError.workerNameTaken(name: old.name, host: old.host, pid: old.pid)
        }
      }
      let left = try Row.fetchAll(
        db,
        sql: """
          SELECT id, batch, lease_owner, attempts, max_attempts, losses, cancel_requested
          FROM jobs WHERE state = 'running' AND lease_owner = ?
          """, arguments: [worker.name])
      for row in left { try free(row, db, now) }
      try db.execute(
        sql: """
          INSERT OR REPLACE INTO workers (name, pid, host, version, state, started_at, heartbeat_at)
          VALUES (?, ?, ?, ?, ?, ?, ?)
          """,
        arguments: [worker.name, worker.pid, worker.host, worker.version, worker.state.rawValue, now, now])
      try db.record(
        Event(
          .workerStarted, at: now, worker: worker.name,
          detail: "\(worker.version), process \(worker.pid) on \(worker.host)"))
      var signedOn = worker
      (signedOn.startedAt, signedOn.heartbeatAt) = (now, now)
      return signedOn
    }
  }

  /// Looks whether a daemon still has its name. One that was silent for a minute (stopped by a signal, on a machine
  /// that slept, by a clock set forward) may come back to find another in its place.
  /// - Parameter worker: its row, as it signed on.
  /// - Throws: `JobStoreError.workerNameTaken`
  package func check(_ worker: WorkerRecord) throws {
    let row = try read { db in
      try Row.fetchOne(
        db.cachedStatement(sql: "SELECT * FROM workers WHERE name = ?"), arguments: [worker.name])
    }
    // One that somebody removed is nobody else's.
    guard let row else { return }
    let found = try WorkerRecord(row: row)
    guard found.startedAt == worker.startedAt, found.pid == worker.pid, found.host == worker.host else {
      throw JobStoreError.workerNameTaken(name: found.name, host: found.host, pid: found.pid)
    }
  }

  /// Says that the worker lives and what it does; every few seconds, and whenever that changes. Not durable.
  /// - Parameter since: when it signed on; nothing happens if another daemon has done so since. nil: whoever it is.
  package func heartbeat(
    worker: String, since: Milliseconds? = nil, state: WorkerState, job: Int64? = nil
  ) throws {
    try writeLightly { db, now in
      try db.cachedStatement(
        sql: """
          UPDATE workers SET heartbeat_at = ?1, state = ?2, job = ?3
          WHERE name = ?4 AND started_at = ifnull(?5, started_at)
          """
      ).execute(arguments: [now, state.rawValue, job, worker, since])
    }
  }

  /// Signs the worker off. It should have given its job back before.
  /// - Parameter since: as of `heartbeat`.
  package func signOff(worker: String, since: Milliseconds? = nil) throws {
    try write { db, now in
      try db.execute(
        sql: """
          UPDATE workers SET state = 'stopped', job = NULL, heartbeat_at = ?1
          WHERE name = ?2 AND started_at = ifnull(?3, started_at)
          """, arguments: [now, worker, since])
      guard db.changesCount > 0 else { return }
      try db.record(Event(.workerStopped, at: now, worker: worker))
    }
  }

  /// All workers that ever signed on, by name.
  package func workers() throws -> [WorkerRecord] {
    try read { db in
      try Row.fetchAll(db, sql: "SELECT * FROM workers ORDER BY name").map(WorkerRecord.init(row:))
    }
  }
}
