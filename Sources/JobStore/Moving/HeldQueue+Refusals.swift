import GRDB

/// Why a queue cannot be moved now, or cannot take one.
extension HeldQueue {
  /// Checks that nobody works on the queue.
  /// - Parameter place: where it is.
  /// - Throws: `JobStoreError.notMovable`
  func expectStill(at place: String) throws {
    try expectNobody(at: place)
    let now = try now()
    if let row = try fewRows(
      """
      SELECT id, lease_owner, lease_expires FROM \(relation(of: .jobs))
      WHERE state = 'running' AND lease_expires > \(now) ORDER BY id LIMIT 1
      """
    ).first {
      let reader = RowReader(row: row, table: "jobs")
      let id: Int64 = try reader.value("id")
      let seconds = (try reader.value("lease_expires", as: Int64.self) - now) / 1000 + 1
      throw JobStoreError.notMovable(
        path: place,
        reason: "job \(id) is running on worker \(try reader.value("lease_owner", as: String.self)): "
          + "if that is gone, its lease runs out in \(seconds) s")
    }
  }

  /// Checks that no daemon and no fetcher lives.
  /// - Throws: `JobStoreError.notMovable`
  func expectNobody(at place: String) throws {
    let now = try now()
    for row in try fewRows("SELECT * FROM workers ORDER BY name") {
      let worker = try WorkerRecord(row: row)
      guard worker.isAlive(now: now) else { continue }
      throw JobStoreError.notMovable(
        path: place,
        reason: "daemon \(worker.name) (process \(worker.pid) on \(worker.host)) works on it: stop it first")
    }
    guard let fetchers = MovedTable.all.first(where: { $0.name == "fetchers" }),
      try !columns(of: fetchers).isEmpty
    else { return }
    for row in try fewRows("SELECT * FROM fetchers ORDER BY name") {
      let fetcher = try FetcherRecord(row: row)
      guard fetcher.isAlive(now: now) else { continue }
      throw JobStoreError.notMovable(
        path: place,
        reason: "fetcher \(fetcher.name) works on it: stop it first; one that was killed is gone in a minute")
    }
  }

  /// Checks that the queue may take another.
  /// - Parameters:
  ///   - place: where it is.
  ///   - identity: the other's; nil: it has none yet.
  /// - Throws: `JobStoreError.moved`, `.occupied`, `.notMovable`
  func expectVacant(at place: String, for identity: String?) throws {
    let mark = try mark()
    let isSame = identity != nil && mark.identity == identity
    if let elsewhere = mark.movedTo {
      // What was moved away, perhaps half a minute ago by a move that was killed, is the same queue as it was then.
      guard isSame else { throw JobStoreError.moved(path: place, to: elsewhere) }
      return
    }
    guard !isSame else {
      throw JobStoreError.occupied(path: place, reason: "it is the same queue, or a copy of it")
    }
    for table in [MovedTable.jobs, .batches] {
      let count = try count(table)
      if count > 0 { throw JobStoreError.occupied(path: place, reason: "\(table.name) are in it (\(count))") }
    }
    try expectNobody(at: place)
  }
}
