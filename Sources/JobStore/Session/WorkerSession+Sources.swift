import GRDB

/// What jobs name of a hub, as the daemon sees it.
extension WorkerSession {
  /// Whether queued jobs wait for what a living fetcher will bring.
  package func isAwaitingSources() throws -> Bool {
    try !client.waits(limit: 1).isEmpty && !client.fetchers().isEmpty
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
