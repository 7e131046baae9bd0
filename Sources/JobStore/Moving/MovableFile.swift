import GRDB

/// A queue in a file that is moved, or moved to.
package struct MovableFile: MovableQueue {
  /// Absolute path of the file.
  package let place: String
  private let makes: Bool

  /// - Parameters:
  ///   - path: absolute path of the file.
  ///   - makes: whether it is made if it is not there.
  package init(path: String, makes: Bool) {
    place = path
    self.makes = makes
  }

  /// Runs `body` in one durable transaction, in which nobody else changes the queue.
  package func hold<Value>(_ body: (any HeldQueue) throws -> Value) throws -> Value {
    let database = try open(makes ? .creating : .changing)
    let value = try database.write { db, now in
      // A batch may come after one with a larger number; a worker may name a job.
      try db.execute(sql: "PRAGMA defer_foreign_keys = ON")
      return try body(HeldFile(db: db, time: now))
    }
    try database.close()
    return value
  }

  /// Runs `body` on one consistent view.
  package func look<Value>(_ body: (any HeldQueue) throws -> Value) throws -> Value {
    let database = try open(.reading)
    let value = try database.read { db in
      try body(HeldFile(db: db, time: database.clock().milliseconds))
    }
    try database.close()
    return value
  }

  private func open(_ purpose: QueueDatabase.Purpose) throws -> QueueDatabase {
    try QueueDatabase.open(path: place, role: .client, for: purpose, evenMoved: true)
  }
}

/// A queue in a file, within a transaction.
struct HeldFile: HeldQueue {
  let db: Database
  let time: Milliseconds

  func now() -> Milliseconds { time }

  func columns(of table: MovedTable) throws -> Set<String> {
    Set(try String.fetchAll(db, sql: "SELECT name FROM pragma_table_info(?)", arguments: [table.name]))
  }

  func relation(of table: MovedTable) -> String { table.name }

  func rows(_ select: String, atOnce: Int) throws -> () throws -> [DatabaseValue]? {
    let cursor = try Row.fetchCursor(db, sql: select)
    return { try cursor.next().map { Array($0.databaseValues) } }
  }

  func fewRows(_ select: String) throws -> [Row] { try Row.fetchAll(db, sql: select) }

  func lastNumbers() throws -> LastNumbers {
    func last(_ table: String) throws -> Int64 {
      try Int64.fetchOne(
        db,
        sql: """
          SELECT max(ifnull((SELECT max(id) FROM \(table)), 0),
            ifnull((SELECT seq FROM sqlite_sequence WHERE name = ?), 0))
          """, arguments: [table]) ?? 0
    }
    return try LastNumbers(job: last("jobs"), batch: last("batches"), event: last("events"))
  }

  func landings(of table: MovedTable, given: Set<String>) throws -> [MovedRows] {
    let columns = try columns(of: table).intersection(given)
    switch table {
    case .batches:
      // Triggers count its jobs.
      return [MovedRows(into: table.name, columns.subtracting(JobState.allCases.map(\.rawValue)))]
    case .jobs:
      // A worker that was thought dead may have any number of before.
      let fence = Int64.random(in: 1 << 32..<1 << 38)
      var reckoned = [(name: "claims", value: "\(fence)")]
      if !given.contains("wait_set_at") {
        reckoned.append(("wait_set_at", "CASE WHEN run_after IS NOT NULL THEN \(time) END"))
      }
      return [MovedRows(into: table.name, columns, reckoned)]
    default: return [MovedRows(into: table.name, columns)]
    }
  }

  func insert(_ rows: MovedRows, atOnce: Int, next: () throws -> [DatabaseValue]?) throws -> Int {
    let places = rows.columns.map { _ in "?" }.joined(separator: ", ")
    let names = rows.columns.map(\.name).joined(separator: ", ")
    let statement = try db.makeStatement(sql: "INSERT INTO \(rows.table) (\(names)) VALUES (\(places))")
    var count = 0
    while let values = try next() {
      try statement.execute(arguments: StatementArguments(values))
      count += 1
    }
    return count
  }

  func empty(_ table: MovedTable) throws { try db.execute(sql: "DELETE FROM \(table.name)") }

  func settle(_ numbers: LastNumbers) throws {
    try db.execute(sql: "DELETE FROM sqlite_sequence WHERE name IN ('jobs', 'batches')")
    try db.execute(
      sql: "INSERT INTO sqlite_sequence (name, seq) VALUES ('jobs', ?), ('batches', ?)",
      arguments: [numbers.job, numbers.batch])
    // Every job of a paused batch says so here, also one that is over and may be retried.
    let bit = Hold.batch.rawValue
    try db.execute(
      sql: """
        UPDATE jobs SET held = held | \(bit)
        WHERE batch IN (SELECT id FROM batches WHERE paused = 1) AND held & \(bit) = 0
        """)
  }

  func expelWorkers() throws {
    try db.execute(sql: "UPDATE jobs SET claims = claims + 1 WHERE state = 'running'")
  }

  func mark(_ mark: QueueMark) throws {
    try db.execute(
      sql: "UPDATE queue SET paused = ?, moved_to = ?, identity = ?",
      arguments: [mark.isPaused, mark.movedTo, mark.identity])
  }
}

extension Database {
  /// Checks that the queue was not moved elsewhere.
  /// - Parameter path: of its file.
  /// - Throws: `JobStoreError.moved`
  func expectHere(_ path: String) throws {
    guard let place = try String.fetchOne(self, sql: "SELECT moved_to FROM queue WHERE moved_to IS NOT NULL")
    else { return }
    throw JobStoreError.moved(path: path, to: place)
  }
}
