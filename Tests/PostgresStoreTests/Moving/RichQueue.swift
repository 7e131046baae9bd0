import Foundation
import GRDB
import JobStore
import Requests

/// A queue in a file with jobs in every state, all that hangs on them, and something in every column.
struct RichQueue {
  let path: String

  /// Its class of numerics.
  static let numerics = "1/avx2"
  /// What a rendering saved in the middle.
  static let state = Data((0..<1000).map { UInt8(truncatingIfNeeded: $0) })
  /// The job whose worker is gone.
  static let lost: Int64 = 6
  /// The job that was given back in the middle.
  static let begun: Int64 = 7

  /// Makes one, on which nobody works any more.
  init(at path: String) throws {
    self.path = path
    let database = try QueueDatabase.open(path: path, role: .daemon)
    let client = QueueClient(database)
    func signOn(_ name: String) throws -> WorkerSession {
      try WorkerSession.signOn(
        database,
        WorkerRecord(
          name: name, pid: 10, host: "h", processSpace: "pid:[1]", version: "1", numerics: Self.numerics),
        leaseSeconds: 60, introduction: "2 GiB"
      ) { _ in false }
    }
    let (worker, dead) = (try signOn("w"), try signOn("dead"))
    func claim(_ session: WorkerSession) throws -> ClaimedJob {
      guard let claimed = try session.claim() else { throw JobStoreError.emptyBatch }
      return claimed
    }
    let prompts = ["tab\tline\nend \\N \\", "ünï 'quoted' \"twice\"", "c", "d", "e", "f", "g"]
    try client.enqueue(
      BatchRequest(name: "nightly", key: "k", namePattern: "{job}"), prompts.map { request($0, count: 2) })
    try worker.finish(try claim(worker))
    try worker.fail(try claim(worker).lease, message: "it is wrong", kind: .badInput, backoff: Backoff())
    let cancelled = try claim(worker).lease
    try worker.announce(image(0, of: 3), step: 25, modelDigest: "d", cancelled)
    _ = try client.cancel(.job(3), discard: true)
    try worker.cancelled(cancelled)
    try worker.finish(try claim(worker))
    _ = try client.retry(.job(4))
    try worker.finish(try claim(worker))
    try worker.fail(try claim(worker).lease, message: "no room", kind: .transient, backoff: Backoff())
    let lost = try claim(dead).lease
    _ = try dead.report(
      ImageProgress(index: 0, phase: .denoising, step: 3, steps: 25, secondsPerStep: 2.5, expectedEnd: 99),
      waiting: 1, lost)
    try dead.keep(Self.state, step: 3, index: 0, modelDigest: "d", waiting: nil, lost)
    let begun = try claim(worker).lease
    try worker.keep(Self.state, step: 4, index: 0, modelDigest: "d", waiting: nil, begun)
    try worker.announce(image(1, of: 7), step: 25, modelDigest: "d", begun)
    try worker.giveBack(begun)
    try client.enqueue(
      BatchRequest(name: "pinned", hasOneNumerics: true),
      [request("h", priority: 5), request("i", priority: -2)])
    try worker.finish(try claim(worker))
    try client.enqueue(BatchRequest(name: "paused"), [request("j")])
    try client.setPaused(true, batch: 3)
    var later = request("k")
    later.runAfter = Date(timeIntervalSinceNow: 7200).milliseconds
    try client.enqueue(BatchRequest(name: "late", after: "nightly"), [later, request("l")])
    try client.enqueue(BatchRequest(), [request("gone"), request("too")])
    try client.setPaused(true, batch: nil)
    try worker.signOff()
    try database.close()
    // Time passes, and the last batch is purged.
    try DatabaseQueue(path: path).write { db in
      try db.execute(
        sql: """
          UPDATE jobs SET lease_expires = 1 WHERE state = 'running';
          UPDATE jobs SET losses = 1, furthest_step = 3, furthest_saved = 2 WHERE id = \(Self.begun);
          UPDATE workers SET heartbeat_at = heartbeat_at - 120000, models_seen_at = 5;
          INSERT INTO models (name, path, kind, digest, bytes, description, registered_at, loaded_at)
          VALUES ('demo', '/models/demo', 'segmoe', 'd', 7, '4x2', 1, 2);
          INSERT INTO found_models VALUES ('w', 'demo', 'cut short');
          INSERT INTO lacking_models VALUES ('w', 'gone', 3, 'no folder named gone');
          INSERT INTO fetchers VALUES ('h:20', 20, 'h', '1', 1, 2);
          INSERT INTO sources (id, batch, source, use, state, fetcher, claims, tries, not_before, bytes_done, bytes_total,
            bytes_per_second, error, name, revision, path, created_at, updated_at)
          VALUES (1, 1, 'a/model', 'model', 'ready', NULL, 1, 0, NULL, 9, 9, 3, NULL, 'a/model@c', 'c', '/hub/m', 4, 5),
            (2, 4, 'a/lora', 'adapter', 'fetching', 'h:20', 2, 0, NULL, 1, 9, 3, NULL, NULL, NULL, NULL, 4, 5),
            (3, 4, 'a/vae', 'autoencoder', 'wanted', NULL, 3, 1, 6, 0, NULL, NULL, 'no network', NULL, NULL, NULL, 4, 5);
          INSERT INTO job_sources VALUES (1, 1), (12, 2), (12, 3);
          UPDATE jobs SET held = held | 4 WHERE id = 12;
          DELETE FROM batches WHERE id = 5;
          """)
    }
  }

  /// Gives a job that is done something in every column of a setting, right or not.
  func fillSettings() throws {
    let settings = try JobRequest.columns.compactMap { name -> String? in
      let type = try SQLiteColumns(path: path).type(of: name, in: "jobs")
      switch type {
      case _ where name == "run_after": return nil
      case "TEXT": return "\(name) = ifnull(\(name), 'x')"
      case "INTEGER": return "\(name) = ifnull(\(name), 8)"
      default: return "\(name) = ifnull(\(name), 0.5)"
      }
    }
    try DatabaseQueue(path: path).write { db in
      try db.execute(sql: "UPDATE jobs SET \(settings.joined(separator: ", ")) WHERE id = 1")
    }
  }

  /// All rows that a move carries, by table, as far as both stores keep them.
  static func rows(_ path: String) throws -> [String: [String]] {
    let columns = SQLiteColumns(path: path)
    return try DatabaseQueue(path: path).read { db in
      var rows: [String: [String]] = [:]
      for table in MovedTable.all {
        let names = try columns.of(table.name).sorted().filter { !ownColumns.contains("\(table.name).\($0)") }
        let values = names.map { passing["\(table.name).\($0)"] ?? $0 }
        rows[table.name] = try Row.fetchAll(
          db, sql: "SELECT \(values.joined(separator: ", ")) FROM \(table.name) ORDER BY \(table.order)"
        ).map { row in zip(names, row.databaseValues).map { "\($0): \($1)" }.joined(separator: ", ") }
      }
      return rows
    }
  }

  /// Fences, and clocks of the machine.
  private static let ownColumns: Set = ["jobs.claims", "jobs.wait_set_at", "jobs.lease_set_at"]

  /// What means something in some states alone.
  private static let passing = [
    "jobs.cancel_requested": "iif(state = 'running', cancel_requested, NULL)",
    "jobs.run_after": "iif(state = 'queued', run_after, NULL)",
    "jobs.numerics": "iif(state = 'queued', numerics, NULL)",
    "jobs.numerics_since": "iif(state = 'queued', numerics_since, NULL)",
  ]

  /// Columns in which no row has anything.
  func emptyColumns() throws -> Set<String> {
    let columns = SQLiteColumns(path: path)
    return try DatabaseQueue(path: path).read { db in
      var empty: Set<String> = []
      for table in MovedTable.all {
        for name in try columns.of(table.name) {
          let count = try Int.fetchOne(db, sql: "SELECT count(\(name)) FROM \(table.name)")
          if count == 0 { empty.insert("\(table.name).\(name)") }
        }
      }
      return empty
    }
  }
}
