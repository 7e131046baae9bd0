import GRDB

/// A queue that can be moved, or moved to, whatever keeps it.
package protocol MovableQueue {
  /// Where it is, for a person; no password is in it.
  var place: String { get }

  /// Runs `body` in one durable transaction, in which nobody else changes the queue. It may run more than once.
  /// - Throws: `JobStoreError`, and what `body` throws.
  func hold<Value>(_ body: (any HeldQueue) throws -> Value) throws -> Value

  /// Runs `body` on one consistent view. It may not write.
  /// - Throws: `JobStoreError`, and what `body` throws.
  func look<Value>(_ body: (any HeldQueue) throws -> Value) throws -> Value
}

/// A queue within a transaction. `JobStoreError`, and what a caller's own closure throws, is all that its methods throw.
package protocol HeldQueue {
  /// The time by its clock.
  func now() throws -> Milliseconds

  /// The columns that a moved table's rows are read with; empty: it has no such table.
  func columns(of table: MovedTable) throws -> Set<String>

  /// Where a moved table's rows are read from, in SQL.
  func relation(of table: MovedTable) -> String

  /// Reads rows one by one.
  /// - Parameters:
  ///   - select: SQL that both stores understand.
  ///   - atOnce: how many may be in memory at a time.
  /// - Returns: what gives the next row's values; nil at the end.
  func rows(_ select: String, atOnce: Int) throws -> () throws -> [DatabaseValue]?

  /// Reads few rows at once.
  func fewRows(_ select: String) throws -> [Row]

  /// The largest numbers that were given.
  func lastNumbers() throws -> LastNumbers

  /// Which of its tables take the rows of a moved one.
  /// - Parameters:
  ///   - table: the moved one.
  ///   - given: the columns that its rows come with.
  func landings(of table: MovedTable, given: Set<String>) throws -> [MovedRows]

  /// Puts rows into one of its tables.
  /// - Parameters:
  ///   - rows: the table and its columns.
  ///   - atOnce: how many may be in memory at a time.
  ///   - next: the next row's values; nil at the end.
  /// - Returns: how many.
  func insert(_ rows: MovedRows, atOnce: Int, next: () throws -> [DatabaseValue]?) throws -> Int

  /// Removes the rows of a moved table.
  func empty(_ table: MovedTable) throws

  /// What follows when all rows are there: counts, and the next numbers.
  func settle(_ numbers: LastNumbers) throws

  /// Ends the leases of workers that are gone, as far as they know of: one that wakes up again is refused.
  func expelWorkers() throws

  /// Writes the row of `queue`.
  func mark(_ mark: QueueMark) throws
}

/// The largest numbers that a queue has given; 0: none yet.
package struct LastNumbers: Sendable, Equatable {
  package var job: Int64
  package var batch: Int64
  package var event: Int64

  package init(job: Int64, batch: Int64, event: Int64) {
    self.job = job
    self.batch = batch
    self.event = event
  }
}

extension HeldQueue {
  /// The row of `queue`.
  func mark() throws -> QueueMark {
    guard let row = try fewRows("SELECT paused, moved_to, identity FROM queue").first else {
      throw JobStoreError.damagedRow(table: "queue", column: "id", value: "nothing: its one row is missing")
    }
    return try QueueMark(RowReader(row: row, table: "queue"))
  }

  /// How many rows a moved table has.
  func count(_ table: MovedTable) throws -> Int { try count(in: relation(of: table)) }

  /// How many rows are in a table or view.
  func count(in relation: String) throws -> Int {
    guard let row = try fewRows("SELECT count(*) AS rows FROM \(relation)").first else { return 0 }
    return try RowReader(row: row, table: relation).value("rows")
  }

  /// How many jobs are in each state, by the jobs themselves.
  func stateCounts() throws -> StateCounts {
    let counts = JobState.allCases.map {
      "count(*) FILTER (WHERE state = '\($0.rawValue)') AS \($0.rawValue)"
    }
    let select = "SELECT \(counts.joined(separator: ", ")) FROM \(relation(of: .jobs))"
    return try fewRows(select).first.map { try StateCounts(RowReader(row: $0, table: "jobs")) }
      ?? StateCounts()
  }
}
