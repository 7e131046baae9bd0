import Boundary
import GRDB
import JobStore
import Requests

/// Taking sources, and writing how they end.
extension PostgresFetcher {
  /// Takes the source that was wanted first, or else what a daemon of this host lacks.
  package func claim() throws -> ClaimedSource? {
    try atWork.withLock { atWork in
      let rows = try database.connection.rows(
        "SELECT its_id, claim, wanted, its_use, its_tries FROM claim_source($1::text, $2::text, $3::bigint[])",
        [.text(name), .text(record.host), .integers(atWork.sorted())])
      guard let row = rows.first else { return nil }
      let reader = RowReader(row: row, table: "sources")
      let source = ClaimedSource(
        id: try reader.value("its_id"), claim: try reader.value("claim"), text: try reader.value("wanted"),
        use: try reader.word("its_use"), tries: try reader.value("its_tries"))
      atWork.insert(source.id)
      return source
    }
  }

  /// When a source is tried again, here or for all; nil: none is.
  package func nextDue() throws -> Milliseconds? {
    let row = try database.row(
      """
      SELECT least((SELECT min(not_before) FROM sources WHERE state = 'wanted'),
        (SELECT min(not_before) FROM source_places WHERE state = 'wanted' AND host = $1::text)) AS at
      """, [.text(record.host)])
    return try RowReader(row: row, table: "sources").optional("at")
  }

  /// Writes how far a source is. Not durable.
  package func report(_ source: ClaimedSource, done: Int, total: Int, perSecond: Int) throws -> Bool {
    let row = try database.row(
      """
      SELECT report_source($1::bigint, $2::bigint, $3::text, $4::bigint, $5::bigint, $6::bigint)::integer AS goes_on
      """,
      taken(source) + [.integer(Int64(done)), .integer(Int64(total)), .integer(Int64(perSecond))])
    return try RowReader(row: row, table: "sources").value("goes_on")
  }

  /// Records where a source lies on this host. If it was the first that found it, its jobs name it by `found`.
  package func finish(
    _ source: ClaimedSource, name found: String, revision: String?, path: String, bytes: Int
  ) throws {
    try ending(source) {
      try database.connection.transaction { link in
        try link.boundIdleness()
        let rows = try link.answer(
          to: """
            SELECT finish_source($1::bigint, $2::bigint, $3::text, $4::text, $5::text, $6::text, $7::text,
              $8::bigint)::integer AS is_first
            """,
          taken(source) + [
            .text(record.host), .text(found), .text(revision), .text(path), .integer(Int64(bytes)),
          ]
        ).rows
        guard let row = rows.first,
          try RowReader(row: row, table: "sources").value("is_first", as: Bool.self)
        else { return }
        if source.use == .adapter, found != source.text { try rename(source, to: found, link) }
        _ = try link.answer(
          to:
            "SELECT release_from_sources(ARRAY(SELECT job FROM job_sources WHERE source = $1::bigint ORDER BY job))",
          [.integer(source.id)])
      }
    }
  }

  /// Its jobs name it as before: each daemon looks into its own folders, and one that has nothing of that name leaves them to
  /// others.
  package func finish(_ source: ClaimedSource, localPath path: String) throws {
    try ending(source) {
      _ = try database.connection.rows(
        "SELECT end_source_locally($1::bigint, $2::bigint, $3::text)", taken(source))
    }
  }

  /// Records that a source cannot be had. Its jobs fail if nobody has fetched it before.
  package func fail(_ source: ClaimedSource, message: String, tryingAgainIn pause: Double?) throws {
    try ending(source) {
      _ = try database.connection.rows(
        "SELECT fail_source($1::bigint, $2::bigint, $3::text, $4::text, $5::bigint)",
        taken(source) + [.text(PlainText.line(message)), .integer(pause.map(\.asMilliseconds))])
    }
  }

  /// Gives a source back.
  package func giveBack(_ source: ClaimedSource) throws {
    try ending(source) {
      _ = try database.connection.rows(
        "SELECT give_source_back($1::bigint, $2::bigint, $3::text)", taken(source))
    }
  }

  /// What a call about a taken source begins with.
  private func taken(_ source: ClaimedSource) -> [ServerValue] {
    [.integer(source.id), .integer(source.claim), .text(name)]
  }

  /// Ends a source. If that cannot be written, it is still at work, and is ended again.
  private func ending(_ source: ClaimedSource, _ body: () throws -> Void) throws {
    try body()
    _ = atWork.withLock { $0.remove(source.id) }
  }

  /// Writes the exact name of a source into the lists that name it.
  private func rename(_ source: ClaimedSource, to name: String, _ link: ServerLink) throws {
    let jobs = "id IN (SELECT job FROM job_sources WHERE source = $1::bigint)"
    let rows = try link.answer(
      to: "SELECT DISTINCT loras, embeddings FROM jobs WHERE \(jobs)", [.integer(source.id)]
    ).rows
    let renaming = FileRenaming(of: source.text, to: name)
    for row in rows {
      for list in try renaming.lists(in: RowReader(row: row, table: "jobs")) {
        _ = try link.answer(
          to: "UPDATE jobs SET \(list.column) = $2::text WHERE \(list.column) = $3::text AND \(jobs)",
          [.integer(source.id), ServerValue(list.new), ServerValue(list.old)])
      }
    }
  }
}
