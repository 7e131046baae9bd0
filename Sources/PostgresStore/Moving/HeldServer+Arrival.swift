import GRDB
import JobStore

/// What comes into a queue on a server.
extension HeldServer {
  func landings(of table: MovedTable, given: Set<String>) throws -> [MovedRows] {
    let columns = try columns(table.name).intersection(given)
    // Random numbers, as an enqueue and a lease have; nobody knows these.
    let token = (name: "token", value: "\(Int64.random(in: 1 << 60..<1 << 62)) + id")
    switch table {
    case .batches: return [MovedRows(into: table.name, columns, [token])]
    case .jobs: return Self.jobs(columns, token)
    case .workers:
      var reckoned = [
        (name: "state", value: "CASE WHEN state IN ('loading', 'draining') THEN 'rendering' ELSE state END")
      ]
      if !given.contains("introduction") {
        reckoned.append(
          (
            "introduction",
            """
            (SELECT detail FROM events WHERE what = 'worker_started' AND worker = name ORDER BY id DESC LIMIT 1)
            """
          ))
      }
      return [MovedRows(into: table.name, columns, reckoned)]
    default:
      // Events are of the transaction that brings them.
      return [MovedRows(into: table.name, columns.subtracting(["xid"]))]
    }
  }

  /// A job that is not over is in one more table, which says what it waits for.
  private static func jobs(_ columns: Set<String>, _ token: (name: String, value: String)) -> [MovedRows] {
    let places = ["id", "batch", "priority", "model", "numerics", "numerics_since"]
    // Nobody holds a model here: whoever lacks it finds out again.
    let holds = "held & 29"
    let isOver = "state IN ('done', 'failed', 'cancelled')"
    return [
      MovedRows(
        into: "jobs", columns,
        [
          ("attempts", "CASE WHEN state = 'running' THEN attempts - 1 ELSE attempts END"),
          ("outcome", "CASE WHEN \(isOver) THEN state END"),
          ("finished_at", "CASE WHEN \(isOver) THEN coalesce(finished_at, created_at) END"),
          ("in_shards", "CASE WHEN \(isOver) AND held & 16 <> 0 THEN 1 ELSE 0 END"),
        ]),
      MovedRows(
        into: "due", places, where: "state = 'queued' AND \(holds) = 0 AND run_after IS NULL"),
      MovedRows(
        into: "waiting", places + ["run_after"], [("holds", holds)],
        where: "state = 'queued' AND (\(holds) <> 0 OR run_after IS NOT NULL)"),
      // Of a worker that is gone: upkeep frees them.
      MovedRows(
        into: "leases", ["batch", "cancel_requested"],
        [
          ("job", "id"), token, ("worker", "lease_owner"), ("expires", "lease_expires"),
          ("started_at", "coalesce(started_at, created_at)"),
        ], where: "state = 'running'"),
    ]
  }

  func insert(_ rows: MovedRows, atOnce: Int, next: () throws -> [DatabaseValue]?) throws -> Int {
    var count = 0
    let names = rows.columns.map(\.name).joined(separator: ", ")
    try link.copy("COPY \(rows.table) (\(names)) FROM STDIN") {
      var block: [UInt8] = []
      while block.count < 1 << 16, let values = try next() {
        // A text that SQLite gives ends before a zero byte.
        block += (values.map { ServerValue($0).copied }.joined(separator: "\t") + "\n").utf8
        count += 1
      }
      return block.isEmpty ? nil : block
    }
    return count
  }

  func empty(_ table: MovedTable) throws {
    // Places have numbers of the same sequence as sources.
    let others =
      table == .jobs ? ["due", "waiting", "leases"] : table.name == "sources" ? ["source_places"] : []
    for name in [table.name] + others { _ = try link.answer(to: "DELETE FROM \(name)") }
  }

  func settle(_ numbers: LastNumbers) throws {
    for (sequence, last) in [
      ("job_numbers", numbers.job), ("batches_id_seq", numbers.batch), ("events_id_seq", numbers.event),
    ] {
      _ = try link.answer(
        to: "SELECT setval($1::text::regclass, greatest($2::bigint, 1), $2::bigint > 0)",
        [.text(sequence), .integer(last)])
    }
    _ = try link.answer(
      to: "SELECT setval('sources_id_seq', (SELECT coalesce(max(id), 0) + 1 FROM sources), false)")
    func sums(_ sum: (String) -> String) -> String {
      JobState.allCases.map { sum($0.rawValue) }.joined(separator: ", ")
    }
    let states = sums(\.self)
    for statement in [
      "DELETE FROM tally", "DELETE FROM counts",
      """
      INSERT INTO counts (batch, \(states))
      SELECT b.id, \(sums { "count(*) FILTER (WHERE j.state = '\($0)')" })
      FROM batches b LEFT JOIN job_rows j ON j.batch = b.id GROUP BY b.id
      """,
      "INSERT INTO counts (batch, \(states)) SELECT 0, \(sums { "coalesce(sum(\($0)), 0)" }) FROM counts",
      """
      UPDATE waiting w SET holds = w.holds & ~4, run_after = coalesce(w.run_after, 0)
      WHERE w.holds & 4 <> 0 AND NOT EXISTS (
        SELECT 1 FROM job_sources js JOIN sources s ON s.id = js.source WHERE js.job = w.id AND s.state <> 'ready')
      """,
      """
      UPDATE checkpoints c SET over = 1 FROM jobs j
      WHERE j.id = c.job AND j.outcome IN ('failed', 'cancelled') AND c.over = 0
      """,
    ] {
      _ = try link.answer(to: statement)
    }
  }

  func expelWorkers() throws {
    _ = try link.answer(
      to: "UPDATE leases SET token = $1::bigint + job", [.integer(Int64.random(in: 1 << 60..<1 << 62))])
  }

  func mark(_ mark: QueueMark) throws {
    _ = try link.answer(
      to: "UPDATE queue SET paused = $1::smallint, moved_to = $2::text, identity = $3::text",
      [.flag(mark.isPaused), .text(mark.movedTo), .text(mark.identity)])
  }
}

extension ServerValue {
  fileprivate init(_ value: DatabaseValue) {
    switch value.storage {
    case .null: self = .text(nil)
    case .int64(let number): self = .integer(number)
    case .double(let number): self = .real(number)
    case .string(let text): self = .text(text)
    case .blob(let data): self = .bytes(data)
    }
  }
}

extension ServerLink {
  /// Checks that the queue was not moved elsewhere.
  /// - Parameter server: its name for a person.
  /// - Throws: `JobStoreError.moved`
  func expectHere(_ server: String) throws {
    let rows = try answer(to: "SELECT moved_to FROM queue WHERE moved_to IS NOT NULL").rows
    guard let row = rows.first else { return }
    throw JobStoreError.moved(path: server, to: try RowReader(row: row, table: "queue").value("moved_to"))
  }
}
