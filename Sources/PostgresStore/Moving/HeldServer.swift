import GRDB
import JobStore

/// A queue on a server, within a transaction. What it throws beside `JobStoreError`, the connection translates.
struct HeldServer: HeldQueue {
  let link: ServerLink

  func now() throws -> Milliseconds {
    try RowReader(row: row("SELECT milliseconds_now() AS now"), table: "queue").value("now")
  }

  func columns(of table: MovedTable) throws -> Set<String> {
    // As its rows are read.
    table == .jobs ? try columns("job_rows").union(["numerics_since"]) : try columns(table.name)
  }

  /// The columns of a table or view; empty: there is none.
  func columns(_ relation: String) throws -> Set<String> {
    let rows = try link.answer(
      to: """
        SELECT attname::text AS name FROM pg_attribute
        WHERE attrelid = to_regclass($1::text) AND attnum > 0 AND NOT attisdropped
        """, [.text(relation)]
    ).rows
    return Set(try rows.map { try RowReader(row: $0, table: "pg_attribute").value("name") })
  }

  func relation(of table: MovedTable) -> String {
    guard table == .jobs else { return table.name }
    return """
      (SELECT r.*, coalesce(d.numerics_since, w.numerics_since) AS numerics_since
      FROM job_rows r LEFT JOIN due d ON d.id = r.id LEFT JOIN waiting w ON w.id = r.id) AS jobs
      """
  }

  func rows(_ select: String, atOnce: Int) throws -> () throws -> [DatabaseValue]? {
    _ = try link.answer(to: "DECLARE moved NO SCROLL CURSOR FOR \(select)")
    var some: ArraySlice<[DatabaseValue]> = []
    var isOver = false
    return {
      if some.isEmpty, !isOver {
        some = try link.answer(to: "FETCH \(atOnce) FROM moved").values[...]
        isOver = some.isEmpty
        if isOver { _ = try link.answer(to: "CLOSE moved") }
      }
      return some.popFirst()
    }
  }

  func fewRows(_ select: String) throws -> [Row] { try link.answer(to: select).rows }

  func lastNumbers() throws -> LastNumbers {
    func last(_ sequence: String, _ table: String) -> String {
      """
      (SELECT greatest(CASE WHEN is_called THEN last_value ELSE 0 END, coalesce((SELECT max(id) FROM \(table)), 0))
        FROM \(sequence))
      """
    }
    let reader = RowReader(
      row: try row(
        """
        SELECT \(last("job_numbers", "jobs")) AS job, \(last("batches_id_seq", "batches")) AS batch,
          \(last("events_id_seq", "events")) AS event
        """), table: "job_numbers")
    return LastNumbers(
      job: try reader.value("job"), batch: try reader.value("batch"), event: try reader.value("event"))
  }

  private func row(_ sql: String) throws -> Row {
    guard let row = try link.answer(to: sql).rows.first else {
      throw ServerError.unexpected(reason: "no answer to: \(sql)")
    }
    return row
  }
}
