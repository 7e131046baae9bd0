import Boundary
import GRDB
import JobStore
import Requests

/// How a worker lives with its queue: what it asks between jobs.
extension PostgresSession {
  /// The queue, for whoever only looks at it.
  package var queue: any JobQueue { PostgresClient(database) }

  /// Which jobs are due, as far as a few looks into indexes tell. Upkeep, which makes jobs due, is done on the way.
  package func changeMark() throws -> Int64 {
    let row = try database.row(
      """
      SELECT head, made, last, since, paused, live, chores, keeps_name
      FROM look($1::text, $2::bigint, $3::bigint, $4::bigint)
      """,
      [
        .text(name), .integer(record.startedAt), .integer(leaseSeconds.asMilliseconds),
        .integer(lastLook.patience.asMilliseconds),
      ])
    let reader = RowReader(row: row, table: "due")
    lastLook.note()
    lastLook.note(workers: try reader.value("live"))
    lastLook.note(Chores(rawValue: try reader.value("chores")))
    // A claim finds nothing then. Why, is asked only now.
    if try !reader.value("keeps_name", as: Bool.self) { try verify() }
    return try ["head", "made", "last", "since", "paused"].reduce(0) { mark, column in
      mark &* 1_000_003 &+ (try reader.value(column, as: Int64.self))
    }
  }

  /// What `tell_workers` says.
  package func newsDescriptor() -> Int32? {
    database.connection.descriptor(listeningTo: "segmoe_work")
  }

  /// Takes in what was said.
  package func hears() -> Bool { database.connection.hears() }

  /// The workers that were alive at the last look.
  package var crowd: Int { lastLook.workers }

  /// Frees lapsed leases and so on, unless another worker has just done so.
  func keepUp() throws {
    _ = try database.connection.rows(
      "SELECT keep_up($1::bigint, $2::bigint)",
      [.integer(leaseSeconds.asMilliseconds), .integer(lastLook.patience.asMilliseconds)])
    lastLook.note()
  }

  /// Whether the last claim or look leaves room for such work.
  package func mayHave(_ chores: Chores) -> Bool { lastLook.mayHave(chores) }

  /// When upkeep may make a job due; nil: never.
  package func nextDue(numericsPatience: Double) throws -> Milliseconds? {
    let row = try database.row(
      """
      SELECT least((SELECT min(run_after) FROM waiting WHERE holds = 0), (SELECT min(expires) FROM leases),
        (SELECT min(numerics_since) FROM due WHERE numerics_since > 0) + $1::bigint,
        (SELECT 0 WHERE EXISTS (
          SELECT 1 FROM waiting WHERE holds = 8 AND batch IN (SELECT id FROM released_batches)))) AS at
      """, [.integer(numericsPatience.asMilliseconds)])
    return try RowReader(row: row, table: "waiting").optional("at")
  }

  /// Those of the given jobs that are running now.
  package func running(among jobs: Set<Int64>) throws -> Set<Int64> {
    let rows = try database.connection.rows(
      "SELECT job FROM leases WHERE job = ANY ($1::bigint[])", [.integers(jobs.sorted())])
    return Set(try rows.map { try RowReader(row: $0, table: "leases").value("job") })
  }

  /// How many jobs have failed since it signed on.
  package func failedJobs() throws -> Int {
    let row = try database.row(
      "SELECT count(DISTINCT job) AS count FROM events WHERE what = 'failed' AND at >= $1::bigint",
      [.integer(record.startedAt)])
    return try RowReader(row: row, table: "events").value("count")
  }

  /// Changes what people should know of the worker.
  package func introduce(_ introduction: String) throws {
    let text = PlainText.line("\(Self.words(record)), \(introduction)")
    _ = try database.connection.rows(
      "UPDATE workers SET introduction = $1::text WHERE name = $2::text AND started_at = $3::bigint",
      [.text(text), .text(name), .integer(record.startedAt)])
  }

  /// Checks that the queue is here, and that the worker still has its name. If it was silent for a minute, another may have
  /// taken it.
  package func verify() throws {
    let rows = try database.connection.rows(
      """
      SELECT w.host, w.pid, w.started_at, q.moved_to
      FROM queue q LEFT JOIN workers w ON w.name = $1::text
      """, [.text(name)])
    guard let row = rows.first else { return }
    let moved: String? = try RowReader(row: row, table: "queue").optional("moved_to")
    if let moved { throw JobStoreError.moved(path: database.name, to: moved) }
    let reader = RowReader(row: row, table: "workers")
    guard let started: Milliseconds = try reader.optional("started_at"), started > record.startedAt else {
      return
    }
    throw JobStoreError.workerNameTaken(
      name: name, host: try reader.value("host"), pid: try reader.value("pid"))
  }

  /// A claim and a look verify by themselves.
  package func verifyBeforeClaim() throws {}

  /// A database stays where it is.
  package func verifyPlace() throws {}

  /// The server's clock counts.
  package func shortenLeases() throws {}

  /// The server's clock counts.
  package func extendLeases() throws {}

  /// The server looks after its log.
  package func reuseLog() throws {}

  /// The server looks after its log.
  package func pinnedLog() throws -> Int64? { nil }
}
