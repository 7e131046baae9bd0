import GRDB

/// What jobs name of a hub, as the daemon sees it.
extension WorkerSession {
  /// Whether queued jobs wait for what a living fetcher will bring.
  package func isAwaitingSources() throws -> Bool {
    try !client.waits(limit: 1).isEmpty && !client.fetchers().isEmpty
  }

  /// Looks whether what queued jobs wait for is in this daemon's own folders. A path on this machine wins over a card of
  /// a hub, but only the daemon knows its folders. Whatever is there is no source any more: its jobs wait for it no
  /// longer.
  /// - Parameter isHere: whether the daemon's folders have something of that name.
  /// - Returns: the names that were found.
  package func takeLocalSources(_ isHere: (String) -> Bool) throws -> [String] {
    // Most often there is nothing, and then nothing is locked.
    let wanted = try database.read { db in
      try String.fetchAll(
        db.cachedStatement(
          sql: """
            SELECT DISTINCT source FROM sources INDEXED BY sources_by_state
            WHERE state = 'wanted' AND source NOT LIKE '%:%' LIMIT 1000
            """))
    }
    let found = wanted.filter(isHere)
    guard !found.isEmpty else { return [] }
    try database.write { db, _ in
      for name in found {
        let source = "SELECT id FROM sources WHERE source = :name AND state = 'wanted'"
        let jobs = try Int64.fetchAll(
          db, sql: "SELECT DISTINCT job FROM job_sources WHERE source IN (\(source))",
          arguments: ["name": name])
        try db.execute(sql: "DELETE FROM sources WHERE id IN (\(source))", arguments: ["name": name])
        for job in jobs { try db.releaseFromSources("id = :value", job) }
      }
    }
    return found
  }

  /// Where lies what a job names of a hub, by the names in its request.
  func places(ofJob job: Int64, _ db: Database) throws -> [String: String] {
    let rows = try Row.fetchAll(
      db.cachedStatement(
        sql: """
          SELECT name, path FROM sources
          WHERE id IN (SELECT source FROM job_sources WHERE job = ?) AND state = 'ready' AND name IS NOT NULL
          """), arguments: [job])
    return try rows.reduce(into: [:]) { places, row in
      let reader = RowReader(row: row, table: "sources")
      places[try reader.value("name", as: String.self)] = try reader.value("path", as: String.self)
    }
  }
}

extension Database {
  /// Lets jobs wait for sources no longer if all that they name is here.
  /// - Parameters:
  ///   - condition: which jobs, with `:value`.
  ///   - value: what the condition compares with.
  func releaseFromSources(_ condition: String, _ value: Int64) throws {
    try cachedStatement(
      sql: """
        UPDATE jobs SET held = held & ~\(Hold.source.rawValue)
          | iif(model IN (SELECT name FROM models WHERE held_until IS NOT NULL), \(Hold.model.rawValue), 0)
        WHERE \(condition) AND NOT EXISTS (
          SELECT 1 FROM job_sources js JOIN sources s ON s.id = js.source
          WHERE js.job = jobs.id AND s.state <> 'ready')
        """
    ).execute(arguments: ["value": value])
  }
}
