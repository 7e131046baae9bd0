import Boundary
import GRDB
import Requests

/// Taking sources, and writing how they end.
extension FetcherSession {
  /// Takes the source that was wanted first, unless none of its jobs is open any more or another fetcher is at the same
  /// one.
  /// - Returns: nil if there is nothing to fetch now.
  package func claim() throws -> ClaimedSource? {
    try database.write { db, now in
      let row = try Row.fetchOne(
        db.cachedStatement(
          sql: """
            UPDATE sources SET state = 'fetching', fetcher = :me, claims = claims + 1, bytes_done = 0,
              bytes_total = NULL, bytes_per_second = NULL, not_before = NULL, updated_at = :now
            WHERE id = (
              SELECT id FROM sources s INDEXED BY sources_by_state
              WHERE state = 'wanted' AND (not_before IS NULL OR not_before <= :now) AND \(Self.isOpen)
                AND NOT EXISTS (
                  SELECT 1 FROM sources o WHERE o.state = 'fetching' AND o.source = s.source AND o.use = s.use)
              ORDER BY id LIMIT 1)
            RETURNING id, claims, ifnull(name, source) AS text, use, tries
            """), arguments: ["me": name, "now": now])
      guard let row else { return nil }
      let reader = RowReader(row: row, table: "sources")
      return ClaimedSource(
        id: try reader.value("id"), claim: try reader.value("claims"), text: try reader.value("text"),
        use: try reader.word("use"), tries: try reader.value("tries"))
    }
  }

  /// Whether a job that is not over names the source `s`.
  private static let isOpen = """
    EXISTS (SELECT 1 FROM job_sources js JOIN jobs j ON j.id = js.job
      WHERE js.source = s.id AND j.state IN ('queued', 'running'))
    """

  /// When there may be something to fetch although nothing was committed; nil: never.
  package func nextDue() throws -> Milliseconds? {
    try database.read { db in
      try Int64.fetchOne(
        db.cachedStatement(
          sql: "SELECT min(not_before) FROM sources INDEXED BY sources_by_state WHERE state = 'wanted'"))
    }
  }

  /// Writes how far a source is. Not durable, and not waited for: the next one writes it again.
  /// - Returns: whether to go on: the source is still this fetcher's, and a job still wants it.
  package func report(_ source: ClaimedSource, done: Int, total: Int, perSecond: Int) throws -> Bool {
    try database.writeLightly(waiting: 0.5) { db, now in
      try db.cachedStatement(
        sql: """
          UPDATE sources AS s SET bytes_done = ?, bytes_total = ?, bytes_per_second = ?, updated_at = ?
          WHERE id = ? AND claims = ? AND fetcher = ? AND \(Self.isOpen)
          """
      ).execute(arguments: [done, total, perSecond, now, source.id, source.claim, name])
      return db.changesCount > 0
    }
  }

  /// Records where a source lies. Its jobs name it by `found` from now on, and may be rendered once all that they name
  /// is here. If another fetcher has taken the source since, nothing happens.
  /// - Parameters:
  ///   - source: as it was taken.
  ///   - found: what it is, with its commit.
  ///   - revision: the commit or version; nil for a path.
  ///   - path: where it lies.
  ///   - bytes: the bytes of all its files.
  package func finish(
    _ source: ClaimedSource, name found: String, revision: String?, path: String, bytes: Int
  ) throws {
    try database.write { db, now in
      try db.cachedStatement(
        sql: """
          UPDATE sources SET state = 'ready', fetcher = NULL, error = NULL, name = ?, revision = ?, path = ?,
            bytes_done = ?, bytes_total = ?, updated_at = ? WHERE id = ? AND claims = ? AND fetcher = ?
          """
      ).execute(arguments: [found, revision, path, bytes, bytes, now, source.id, source.claim, name])
      guard db.changesCount > 0 else { return }
      if found != source.text { try rename(source, to: found, db) }
      try db.releaseFromSources("id IN (SELECT job FROM job_sources WHERE source = :value)", source.id)
    }
  }

  /// Records that a source cannot be had.
  /// - Parameters:
  ///   - source: as it was taken.
  ///   - message: names the source and the mend.
  ///   - pause: seconds until it is tried again; nil: never, and its waiting jobs fail with the message.
  package func fail(_ source: ClaimedSource, message: String, tryingAgainIn pause: Double?) throws {
    let message = PlainText.line(message)
    try database.write { db, now in
      try db.cachedStatement(
        sql: """
          UPDATE sources SET state = ?, fetcher = NULL, error = ?, tries = tries + 1, not_before = ?, updated_at = ?
          WHERE id = ? AND claims = ? AND fetcher = ?
          """
      ).execute(arguments: [
        (pause == nil ? SourceState.failed : .wanted).rawValue, message,
        pause.map { now + $0.asMilliseconds }, now,
        source.id, source.claim, name,
      ])
      guard db.changesCount > 0, pause == nil else { return }
      try db.move(
        .lackSource, .source(source.id), at: now, ["error": message, "kind": FailureKind.model.rawValue],
        details: [.failed: message])
    }
  }

  /// Gives a source back because the fetcher stops, or nobody wants it any more.
  package func giveBack(_ source: ClaimedSource) throws {
    try database.write { db, now in
      try db.cachedStatement(
        sql: """
          UPDATE sources SET state = 'wanted', fetcher = NULL, updated_at = ? WHERE id = ? AND claims = ? AND fetcher = ?
          """
      ).execute(arguments: [now, source.id, source.claim, name])
    }
  }

  /// Writes the exact name of a source into the requests of its jobs.
  private func rename(_ source: ClaimedSource, to name: String, _ db: Database) throws {
    let jobs = "id IN (SELECT job FROM job_sources WHERE source = :source)"
    func replace(_ column: String, _ old: some DatabaseValueConvertible, _ new: some DatabaseValueConvertible)
      throws
    {
      try db.execute(
        sql: "UPDATE jobs SET \(column) = :new WHERE \(column) = :old AND \(jobs)",
        arguments: ["new": new, "old": old, "source": source.id])
    }
    switch source.use {
    case .model, .ingredient: try replace("model", source.text, name)
    case .autoencoder: try replace("vae", source.text, name)
    case .adapter:
      let rows = try Row.fetchAll(
        db, sql: "SELECT DISTINCT loras, embeddings FROM jobs WHERE \(jobs)", arguments: ["source": source.id]
      )
      let renaming = FileRenaming(of: source.text, to: name)
      for row in rows {
        for list in try renaming.lists(in: RowReader(row: row, table: "jobs")) {
          try replace(list.column, list.old.databaseValue, list.new.databaseValue)
        }
      }
    }
  }
}
