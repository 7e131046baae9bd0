import Boundary
import Foundation
import GRDB
import Synchronization

/// The queue for a daemon: claim jobs under its name, keep their leases, and record their results.
///
/// A session knows its name, how long a lease lasts, and the leases that it holds. Every method may be called from
/// any thread; calls on one connection wait for each other. The methods do not depend on SQLite, so another store
/// could implement them. Every method throws `JobStoreError`, and what a caller's own closure throws.
package final class WorkerSession: Sendable {
  let database: QueueDatabase
  /// The worker's row when it signed on.
  package let record: WorkerRecord
  /// Seconds until a lease expires unless it is renewed.
  package let leaseSeconds: Double
  private let held: HeldLeases
  /// The event that tells of its start.
  private let startEvent: Int64
  /// The last event before it signed on.
  private let lastEvent: Int64
  /// How often its row was found to be another's.
  private let strikes = Mutex(0)
  /// When it signed on, by a clock that only goes forward.
  let began: ContinuousClock.Instant

  private init(
    _ database: QueueDatabase, _ record: WorkerRecord, leaseSeconds: Double, startEvent: Int64,
    lastEvent: Int64, held: HeldLeases = HeldLeases(), began: ContinuousClock.Instant = .now
  ) {
    self.database = database
    self.record = record
    self.leaseSeconds = leaseSeconds
    self.startEvent = startEvent
    self.lastEvent = lastEvent
    self.held = held
    self.began = began
  }

  /// The same session on a connection of its own, with the same leases. A thread that waits for the queue there keeps
  /// nobody from using this one.
  package func beside() throws -> WorkerSession {
    WorkerSession(
      try database.beside(), record, leaseSeconds: leaseSeconds, startEvent: startEvent, lastEvent: lastEvent,
      held: held, began: began)
  }

  /// The worker's name, which is part of its leases.
  package var name: String { record.name }

  /// A client on the same connection.
  package var client: QueueClient { QueueClient(database) }

  /// Signs a daemon on. Jobs that an earlier daemon of this name left running are freed at once; each loses an
  /// attempt.
  /// - Parameters:
  ///   - database: the connection.
  ///   - worker: its name and process.
  ///   - leaseSeconds: seconds until a lease expires unless it is renewed.
  ///   - introduction: what people should know of it beside that; the event that it has started tells it.
  ///   - processIsAlive: whether the process of a worker on this host still runs. With this, a restart after a crash
  ///     does not have to wait until the old heartbeat is outdated.
  /// - Throws: `JobStoreError.workerNameTaken` if another live daemon has this name.
  package static func signOn(
    _ database: QueueDatabase, _ worker: WorkerRecord, leaseSeconds: Double, introduction: String? = nil,
    processIsAlive: (WorkerRecord) -> Bool
  ) throws -> WorkerSession {
    guard !worker.name.isEmpty, worker.name.utf8.count <= 100 else {
      throw JobStoreError.invalidSetting(
        name: "worker", value: "'\(worker.name)'", rule: "use 1 to 100 bytes")
    }
    try database.mendIfNeeded()
    let (record, event, last) = try database.writeMending { db, now in
      let last = try Int64.fetchOne(db, sql: "SELECT max(id) FROM events") ?? 0
      // A row that cannot be read is nobody's.
      if let old = try? WorkerRecord.fetchOne(
        db, sql: "SELECT * FROM workers WHERE name = ?", arguments: [worker.name])
      {
        // In a container every daemon has the same process number. So a row with this number is an earlier daemon's.
        let isGone = old.host == worker.host && (old.pid == worker.pid || !processIsAlive(old))
        if old.isAlive(now: now) && !isGone {
          throw JobStoreError.workerNameTaken(name: old.name, host: old.host, pid: old.pid)
        }
      }
      try free(
        Int64.fetchAll(
          db, sql: "SELECT id FROM jobs INDEXED BY jobs_leased WHERE state = 'running' AND lease_owner = ?",
          arguments: [worker.name]
        ),
        restarted: worker.name, db, now)
      var signedOn = worker
      (signedOn.startedAt, signedOn.heartbeatAt) = (now, now)
      try sign(signedOn, db, now)
      try db.execute(sql: "DELETE FROM lacking_models WHERE worker = ?", arguments: [worker.name])
      try db.record(
        Event(
          .workerStarted, at: now, worker: worker.name,
          detail: "\(worker.version), process \(worker.pid) on \(worker.host)"
            + (introduction.map { ", \($0)" } ?? "")))
      return (signedOn, db.lastInsertedRowID, last)
    }
    return WorkerSession(
      database, record, leaseSeconds: leaseSeconds, startEvent: event, lastEvent: last)
  }

  /// How many jobs have failed since it signed on, those included that its start set aside.
  package func failedJobs() throws -> Int {
    try database.read { db in
      try Int.fetchOne(
        db, sql: "SELECT count(DISTINCT job) FROM events WHERE id > ? AND what = 'failed'",
        arguments: [lastEvent]) ?? 0
    }
  }

  /// Changes what people should know of the worker beside its version and process.
  package func introduce(_ introduction: String) throws {
    try database.write { db, _ in
      try db.execute(
        sql: "UPDATE events SET detail = ? WHERE id = ? AND what = 'worker_started' AND worker = ?",
        arguments: [
          PlainText.line("\(record.version), process \(record.pid) on \(record.host), \(introduction)"),
          startEvent, name,
        ])
    }
  }

  /// Checks that the database is still the file that was opened, and that the daemon still has its name. If it was
  /// silent for a minute (stopped by a signal, asleep, or after the clock was set forward), another daemon may have
  /// taken the name.
  ///
  /// A row may say anything: only who says so again after this one has written its own is another daemon, and then
  /// the older of the two ends.
  /// - Throws: `JobStoreError.replaced`, `.schemaTooNew`, `.workerNameTaken`
  package func verify() throws {
    try database.verify()
    let row = try database.read { db in
      try Row.fetchOne(
        db.cachedStatement(
          sql: "SELECT substr(host, 1, 300) AS host, pid, started_at FROM workers WHERE name = ?"),
        arguments: [name])
    }
    if let row {
      let reader = RowReader(row: row, table: "workers")
      let (host, pid): (String, Int) = (try reader.value("host"), try reader.value("pid"))
      let startedAt: Milliseconds = try reader.value("started_at")
      if startedAt == record.startedAt && pid == record.pid && host == record.host { return }
      let count = strikes.withLock { strikes in
        strikes += 1
        return strikes
      }
      if count > 1 && startedAt > record.startedAt {
        throw JobStoreError.workerNameTaken(name: name, host: host, pid: pid)
      }
    }
    try database.write { db, now in try Self.sign(record, db, now) }
    try heartbeat()
  }

  /// The part of `verify` that no commit tells of, without asking the database.
  /// - Throws: `JobStoreError.replaced`
  package func verifyPlace() throws { try database.verifyPlace() }

  /// Writes a worker's row.
  private static func sign(_ worker: WorkerRecord, _ db: Database, _ now: Milliseconds) throws {
    try db.execute(
      sql: """
        INSERT OR REPLACE INTO workers
          (name, pid, host, process_space, version, numerics, state, started_at, heartbeat_at)
        VALUES (?, ?, ?, ?, ?, ?, 'idle', ?, ?)
        """,
      arguments: [
        worker.name, worker.pid, worker.host, worker.processSpace, worker.version, worker.numerics,
        worker.startedAt, now,
      ])
  }

  /// Writes the worker's heartbeat and what it does, whenever that changes. It is not durable. If another daemon of
  /// this name has signed on since, nothing happens.
  package func heartbeat() throws {
    try database.writeLightly { db, now in try heartbeat(db, now) }
  }

  /// Renews all leases and the heartbeat in one transaction, which a power cut may undo. Call it every third of a
  /// lease, from a thread that rendering cannot starve. `verdict(of:)` tells what it found out about the jobs.
  package func beat() throws {
    let leases = leases.filter { !verdict(of: $0).lost }
    let verdicts = try database.writeLightly(waiting: 2) { db, now in
      var verdicts: [Lease: Verdict] = [:]
      for lease in leases {
        do {
          verdicts[lease] = Verdict(cancelled: try renew(lease, db, now) == .cancel)
        } catch JobStoreError.leaseLost {
          verdicts[lease] = Verdict(lost: true)
        }
      }
      try heartbeat(db, now)
      return verdicts
    }
    for (lease, verdict) in verdicts { held.learn(verdict, of: lease) }
  }

  /// Signs the worker off. It should have given its jobs back before. The connection stays open.
  package func signOff() throws {
    try database.write { db, now in
      try db.execute(
        sql: """
          UPDATE workers SET state = 'stopped', job = NULL, heartbeat_at = ?1
          WHERE name = ?2 AND started_at = ?3
          """, arguments: [now, name, record.startedAt])
      guard db.changesCount > 0 else { return }
      try db.record(Event(.workerStopped, at: now, worker: name))
    }
  }

  /// Closes the connection, and no other of the session. Later calls throw `JobStoreError.closed`.
  package func close() throws { try database.close() }

  /// Copies the write-ahead log back into the database, as far as nobody reads it, so that it does not grow. SQLite
  /// does this by itself after some megabytes, but the disk may be full before that.
  package func reuseLog() throws { _ = try database.copyLogBack() }

  /// The size of the write-ahead log in bytes, if somebody who reads keeps it from being copied back.
  package func pinnedLog() throws -> Int64? {
    guard let size = database.logSize, size > QueueDatabase.largeLog else { return nil }
    return try database.copyLogBack() ? nil : size
  }

  /// Writes the worker's row, which names the first of its jobs, unless somebody has deleted that by hand.
  private func heartbeat(_ db: Database, _ now: Milliseconds) throws {
    let job = leases.first?.job
    let state: WorkerState = job == nil ? .idle : .rendering
    try db.cachedStatement(
      sql: """
        UPDATE workers SET heartbeat_at = ?1, state = ?2, job = (SELECT id FROM jobs WHERE id = ?3)
        WHERE name = ?4 AND started_at = ?5
        """
    ).execute(arguments: [now, state.rawValue, job, name, record.startedAt])
  }
}

/// The leases that the session holds.
extension WorkerSession {
  /// What the session knows about a job whose lease it holds.
  package struct Verdict: Sendable, Equatable {
    /// Whether its cancellation was requested.
    package var cancelled = false
    /// Whether the lease was lost to another worker.
    package var lost = false

    /// By default there is no news.
    package init(cancelled: Bool = false, lost: Bool = false) {
      self.cancelled = cancelled
      self.lost = lost
    }
  }

  /// The leases held now, in order of their jobs.
  package var leases: [Lease] { held.all }

  /// Whether a job must be stopped, and why.
  package func verdict(of lease: Lease) -> Verdict { held.verdict(of: lease) }

  /// Notes what was found out about a job.
  package func learn(_ verdict: Verdict, of lease: Lease) { held.learn(verdict, of: lease) }

  /// Stops holding a lease, whatever its row says.
  package func drop(_ lease: Lease) { held.remove(lease) }

  /// Holds a lease from now on.
  func hold(_ lease: Lease) { held.add(lease) }
}
