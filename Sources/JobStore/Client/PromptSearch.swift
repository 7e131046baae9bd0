import GRDB

/// A search for a text in prompts that does not read them all. The index says which jobs may have it; newer jobs, and
/// those that were written again, are read. So the result is always that of reading them all.
struct PromptSearch {
  /// The index cannot be used: SQLite was built without FTS5, or the index is damaged.
  struct Unusable: Error {}

  private let index: PromptIndex
  private let match: String
  private let conditions: JobConditions
  private let limit: Int?

  /// Fewer jobs than this are read at once.
  private static let few = 10_000
  /// Jobs that are looked at together.
  private static let together = 500
  /// With more hits than this, the index is of no use any more.
  private static let most = 50_000

  /// nil: there is no index, or to read the prompts is as quick.
  init?(_ filter: JobFilter, _ db: Database) throws {
    guard let text = filter.prompt, let match = Self.match(text), filter.jobs.isEmpty,
      let index = try PromptIndex(db), index.upTo > 0, try !Self.isNarrow(filter, db)
    else { return nil }
    self.index = index
    self.match = match
    conditions = try JobConditions(filter, db, isByNumber: true)
    limit = filter.limit
  }

  /// Whether a filter leaves only few jobs without its text.
  private static func isNarrow(_ filter: JobFilter, _ db: Database) throws -> Bool {
    if let batch = filter.batch {
      let jobs = try Int.fetchOne(
        db, sql: "SELECT last_job - first_job FROM batches WHERE id = ?", arguments: [batch])
      if let jobs, jobs < few { return true }
    }
    guard !filter.states.isEmpty else { return false }
    let sum = filter.states.map(\.rawValue).sorted().joined(separator: " + ")
    return try Int.fetchOne(db, sql: "SELECT \(sum) FROM queue").map { $0 < few } ?? true
  }

  /// The expression that FTS5 understands: parts of the text that together cover it; nil for a text that is too short
  /// to be found.
  private static func match(_ text: String) -> String? {
    let scalars = Array(text.unicodeScalars)
    guard scalars.count >= 3, !scalars.contains("\0") else { return nil }
    // Each part is a list to read. As many as these leave few other prompts.
    let starts = stride(from: 0, to: scalars.count - 3, by: 3).prefix(32) + [scalars.count - 3]
    let parts = starts.map { start in
      var part = String.UnicodeScalarView()
      part.append(contentsOf: scalars[start..<start + 3])
      return "\"" + String(part).replacing("\"", with: "\"\"") + "\""
    }
    return Set(parts).sorted().joined(separator: " AND ")
  }

  /// Rows as those of `JobConditions`.
  /// - Throws: `Unusable`, and errors of SQLite.
  func rows(_ db: Database) throws -> [Row] {
    var rows = try conditions.rows(db, and: ["id > \(index.upTo)"], limit: limit)
    let wanted = limit.map { $0 - rows.count } ?? .max
    guard wanted > 0 else { return rows }
    let unindexed = "SELECT job FROM unindexed_prompts"
    // Numbers below 1 are somebody's slip, and in no index.
    var older = try conditions.rows(
      db,
      and: ["id <= \(index.upTo)", "id IN (\(unindexed) UNION SELECT id FROM jobs WHERE id < 1)"],
      limit: limit.map { _ in wanted })
    let indexed = ["id BETWEEN 1 AND \(index.upTo)", "id NOT IN (\(unindexed))"]
    var (found, seen) = (0, 0)
    let hits = try Hits(index, match: match, db)
    while found < wanted, let ids = try hits.next(Self.together), let last = ids.last {
      // Numbers need no escaping.
      let these = "id IN (\(ids.map(String.init).joined(separator: ", ")))"
      var more = try conditions.rows(db, and: indexed + [these], limit: limit.map { _ in wanted - found })
      (found, seen) = (found + more.count, seen + ids.count)
      older += more
      guard seen >= Self.most, found < wanted else { continue }
      more = try conditions.rows(
        db, and: indexed + ["id < \(last)"], limit: limit.map { _ in wanted - found })
      older += more
      break
    }
    let sorted = try older.map {
      (id: try RowReader(row: $0, table: "jobs").value("id", as: Int64.self), row: $0)
    }
    .sorted { $0.id > $1.id }
    rows += sorted.prefix(wanted).map(\.row)
    return rows
  }

  /// The numbers of jobs whose prompts may have the text, the newest first.
  private struct Hits {
    private let cursor: FastDatabaseValueCursor<Int64>

    /// - Throws: `Unusable`
    init(_ index: PromptIndex, match: String, _ db: Database) throws {
      let table = index.table
      guard try Self.usable({ try index.hasLast(db) }) else { throw Unusable() }
      cursor = try Self.usable {
        try Int64.fetchCursor(
          db, sql: "SELECT rowid FROM \(table) WHERE \(table) MATCH ? ORDER BY rowid DESC", arguments: [match]
        )
      }
    }

    /// The next ones; nil if there are no more.
    /// - Throws: `Unusable`
    func next(_ count: Int) throws -> [Int64]? {
      var ids: [Int64] = []
      while ids.count < count, let id = try Self.usable({ try cursor.next() }) { ids.append(id) }
      return ids.isEmpty ? nil : ids
    }

    private static func usable<Value>(_ body: () throws -> Value) throws -> Value {
      do {
        return try body()
      } catch is DatabaseError {
        throw Unusable()
      }
    }
  }
}
