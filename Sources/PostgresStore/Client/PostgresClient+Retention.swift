import GRDB
import JobStore

extension PostgresClient {
  /// Removes jobs that are over, some at a time. Claims wait for none of it.
  ///
  /// Files are removed before rows, so that after an interruption the next purge finds the rows and goes on.
  package func purge(
    _ retention: Retention, atOnce: Int, removeFiles: (ExpiredJob) throws -> Void
  ) throws -> Int {
    var purged = 0
    let fit = try oldestThatFits(retention)
    for state in retention.over {
      var last = Place.first
      while case let places = try expired(retention, state, fit, after: last, limit: max(1, atOnce)),
        let newest = places.last
      {
        last = newest
        for job in try jobs(places) { try removeFiles(job) }
        // Those that were retried meanwhile stay.
        let row = try database.row(
          "SELECT remove_jobs($1::bigint[], $2::text) AS count",
          [.integers(places.map(\.id)), .text(state.rawValue)])
        purged += try RowReader(row: row, table: "jobs").value("count", as: Int.self)
      }
    }
    return purged
  }

  /// The jobs that `purge` would remove, the oldest of each state first.
  package func expired(_ retention: Retention, limit: Int) throws -> [ExpiredJob] {
    let fit = try oldestThatFits(retention)
    return try retention.over.flatMap { state in
      try jobs(expired(retention, state, fit, after: .first, limit: limit))
    }
  }

  /// How many jobs `purge` would remove.
  package func expiredCount(_ retention: Retention) throws -> Int {
    let fit = try oldestThatFits(retention)
    return try retention.over.map { state in
      guard let bounds = try bounds(retention, state, fit) else { return 0 }
      let row = try database.row("SELECT count(*) AS count FROM \(Self.expiredJobs)", bounds)
      return try RowReader(row: row, table: "jobs").value("count", as: Int.self)
    }.reduce(0, +)
  }

  private static let expiredJobs = """
    jobs WHERE outcome = $1::text AND finished_at < $2::bigint AND (finished_at, id) < ($3::bigint, $4::bigint)
    """

  /// A job's place among those that are over.
  private struct Place {
    /// When it ended.
    let time: Milliseconds
    let id: Int64

    /// Before all jobs.
    static let first = Place(time: .min, id: .min)
    /// After all jobs.
    static let last = Place(time: .max, id: .max)

    init(time: Milliseconds, id: Int64) {
      self.time = time
      self.id = id
    }

    init(_ row: Row) throws {
      let reader = RowReader(row: row, table: "jobs")
      self.init(time: try reader.value("finished_at"), id: try reader.value("id"))
    }

    func isBefore(_ other: Place) -> Bool { (time, id) < (other.time, other.id) }
  }

  /// Where the jobs begin that `Retention.keepBytes` keeps; nil: it keeps all. It is looked for once: what is removed
  /// meanwhile changes nothing, and what ends meanwhile is newer.
  private func oldestThatFits(_ retention: Retention) throws -> Place? {
    guard let most = retention.keepBytes else { return .last }
    let row = try database.row(
      "SELECT fits_all, ended, oldest FROM oldest_that_fits($1::text[], $2::bigint)",
      [.texts(retention.over.map(\.rawValue)), .integer(most)])
    let reader = RowReader(row: row, table: "jobs")
    if try reader.value("fits_all") { return nil }
    guard let ended: Milliseconds = try reader.optional("ended") else { return .last }
    return Place(time: ended, id: try reader.value("oldest"))
  }

  /// The values of `expiredJobs`; nil if none may go.
  private func bounds(_ retention: Retention, _ state: JobState, _ fit: Place?) throws -> [ServerValue]? {
    guard var kept = fit else { return nil }
    if retention.keepNewest > 0 {
      let rows = try connection.rows(
        """
        SELECT finished_at, id FROM jobs WHERE outcome = $1::text
        ORDER BY finished_at DESC, id DESC LIMIT 1 OFFSET $2::bigint
        """, [.text(state.rawValue), .integer(Int64(retention.keepNewest - 1))])
      guard let newest = try rows.first.map({ try Place($0) }) else { return nil }
      if newest.isBefore(kept) { kept = newest }
    }
    return [
      .text(state.rawValue), .integer(retention.finishedBefore ?? .max), .integer(kept.time),
      .integer(kept.id),
    ]
  }

  private func expired(
    _ retention: Retention, _ state: JobState, _ fit: Place?, after last: Place, limit: Int
  ) throws -> [Place] {
    guard let bounds = try bounds(retention, state, fit) else { return [] }
    return try connection.rows(
      """
      SELECT finished_at, id FROM \(Self.expiredJobs) AND (finished_at, id) > ($5::bigint, $6::bigint)
      ORDER BY finished_at, id LIMIT $7::bigint
      """, bounds + [.integer(last.time), .integer(last.id), .integer(Int64(limit))]
    ).map { try Place($0) }
  }

  /// The jobs at some places, with the files of their images.
  private func jobs(_ places: [Place]) throws -> [ExpiredJob] {
    var paths: [Int64: [String]] = [:]
    // Some at a time: there may be a million.
    for start in stride(from: 0, to: places.count, by: 10_000) {
      let some = places[start..<min(start + 10_000, places.count)].map(\.id)
      let rows = try connection.rows(
        """
        SELECT job, path FROM images WHERE job = ANY ($1::bigint[])
        UNION SELECT job, path FROM former_images WHERE job = ANY ($1::bigint[])
        UNION SELECT job, path FROM checkpoints WHERE job = ANY ($1::bigint[]) AND path IS NOT NULL
        ORDER BY job, path
        """, [.integers(some)])
      for row in rows {
        let reader = RowReader(row: row, table: "images")
        paths[try reader.value("job"), default: []].append(try reader.value("path"))
      }
    }
    return places.map { ExpiredJob(id: $0.id, paths: paths[$0.id] ?? []) }
  }
}
