import Boundary
import Foundation
import GRDB
import JobStore
import Synchronization

/// The queue on PostgreSQL for a worker: the same as `WorkerSession` is on SQLite.
///
/// A lease's number is random and made here. So a worker that lost the answer to a claim asks again with the same number,
/// and gets the job that it has, not another.
package final class PostgresSession: JobWorker {
  let database: PostgresDatabase
  /// The worker's row when it signed on.
  let record: WorkerRecord
  /// Seconds until a lease expires unless it is renewed.
  package let leaseSeconds: Double
  let held: HeldLeases
  let looks: SharedLooks
  let lastLook: LastLook
  let reportPace = ReportPace()

  private init(
    _ database: PostgresDatabase, _ record: WorkerRecord, leaseSeconds: Double,
    held: HeldLeases = HeldLeases(), lastLook: LastLook = LastLook(), looks: SharedLooks = SharedLooks()
  ) {
    self.database = database
    self.record = record
    self.leaseSeconds = leaseSeconds
    self.held = held
    self.lastLook = lastLook
    self.looks = looks
  }

  /// The same session on a connection of its own, with the same leases.
  package func beside() throws -> PostgresSession {
    PostgresSession(
      PostgresDatabase(connection: try ServerConnection(database.connection.address)), record,
      leaseSeconds: leaseSeconds, held: held, lastLook: lastLook, looks: looks)
  }

  /// Signs a worker on. Jobs that an earlier worker of this name left running are freed at once; each loses an attempt.
  /// - Parameters:
  ///   - database: the queue.
  ///   - worker: its name and process.
  ///   - leaseSeconds: seconds until a lease expires unless it is renewed.
  ///   - introduction: what people should know of it beside that.
  ///   - processIsAlive: whether the process of a worker on this host still runs.
  /// - Throws: `JobStoreError.workerNameTaken` if another live worker has this name.
  package static func signOn(
    _ database: PostgresDatabase, _ worker: WorkerRecord, leaseSeconds: Double, introduction: String? = nil,
    processIsAlive: (WorkerRecord) -> Bool
  ) throws -> PostgresSession {
    guard !worker.name.isEmpty, worker.name.utf8.count <= 100 else {
      throw JobStoreError.invalidSetting(
        name: "worker", value: "'\(worker.name)'", rule: "use 1 to 100 bytes")
    }
    let isGone = try isGone(worker, database, processIsAlive)
    let told = words(worker) + (introduction.map { ", \($0)" } ?? "")
    let row = try database.row(
      """
      SELECT * FROM sign_on($1::text, $2::integer, $3::text, $4::text, $5::text, $6::text, $7::text, $8::text,
        $9::text = '1')
      """,
      [
        .text(worker.name), .integer(Int64(worker.pid)), .text(worker.host),
        .text(worker.processSpace), .text(worker.version),
        .text(worker.numerics), .text(PlainText.line(told)), .text(PlainText.line(told)), .flag(isGone),
      ])
    let reader = RowReader(row: row, table: "workers")
    guard let started: Milliseconds = try reader.optional("started") else {
      throw JobStoreError.workerNameTaken(
        name: worker.name, host: try reader.value("other_host"), pid: try reader.value("other_pid"))
    }
    var record = worker
    (record.startedAt, record.heartbeatAt) = (started, started)
    return PostgresSession(database, record, leaseSeconds: leaseSeconds)
  }

  /// Whether an earlier worker of this name was a process of this host that has ended.
  private static func isGone(
    _ worker: WorkerRecord, _ database: PostgresDatabase, _ processIsAlive: (WorkerRecord) -> Bool
  ) throws -> Bool {
    let client = PostgresClient(database)
    guard var old = try client.workers().first(where: { $0.name == worker.name }), old.host == worker.host
    else { return false }
    // Processes have the times of this machine.
    old.heartbeatAt &+= Date().milliseconds &- (try client.now())
    return !processIsAlive(old)
  }

  /// A worker's version and process.
  static func words(_ worker: WorkerRecord) -> String {
    "\(worker.version), process \(worker.pid) on \(worker.host)"
  }

  package var name: String { record.name }
  package var leases: [Lease] { held.all }

  /// Whether a job must be stopped, and why.
  package func verdict(of lease: Lease) -> WorkerSession.Verdict { held.verdict(of: lease) }

  /// Notes what was found out about a job.
  package func learn(_ verdict: WorkerSession.Verdict, of lease: Lease) { held.learn(verdict, of: lease) }

  /// Stops holding a lease, whatever its row says.
  package func drop(_ lease: Lease) { held.remove(lease) }

  /// Renews all leases and the heartbeat. Not durable.
  package func beat() throws {
    let leases = leases.filter { !verdict(of: $0).lost }
    let rows = try database.connection.rows(
      """
      SELECT held_job, held_token, cancelled
      FROM beat($1::text, $2::bigint, $3::bigint[], $4::bigint[], $5::bigint)
      """,
      [
        .text(name), .integer(record.startedAt), .integers(leases.map(\.job)), .integers(leases.map(\.claim)),
        .integer(leaseSeconds.asMilliseconds),
      ])
    // By lease, not by job: one whose lease has lapsed may have come back under another token.
    var news: [Lease: Bool] = [:]
    for row in rows {
      let reader = RowReader(row: row, table: "leases")
      let lease = Lease(
        job: try reader.value("held_job"), worker: name, claim: try reader.value("held_token"))
      news[lease] = try reader.value("cancelled", as: Bool.self)
    }
    for lease in leases {
      held.learn(news[lease].map { .init(cancelled: $0) } ?? .init(lost: true), of: lease)
    }
  }

  /// A heartbeat renews the leases, too.
  package func heartbeat() throws { try beat() }

  /// Signs the worker off.
  package func signOff() throws {
    _ = try database.connection.rows(
      "SELECT sign_off($1::text, $2::bigint)", [.text(name), .integer(record.startedAt)])
  }

  /// Closes the connection.
  package func close() throws { database.connection.close() }
}
