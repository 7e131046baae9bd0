import GRDB

/// Which jobs to list.
package struct JobFilter: Sendable, Equatable {
  /// Empty: any.
  package var states: Set<JobState> = []
  package var batch: Int64?
  /// Empty: any.
  package var jobs: [Int64] = []
  /// A text that the prompt has somewhere; case does not matter. nil: any prompt.
  package var prompt: String?
  /// The model's name, or the last part of its path; nil: any model.
  package var model: String?
  /// Only jobs that were queued then or later.
  package var createdSince: Milliseconds?
  /// How many of the newest jobs; nil means all.
  package var limit: Int?

  /// All jobs.
  package init() {}
}

/// A filter in SQL.
struct JobConditions {
  private var conditions: [String] = []
  private var arguments: [String: (any DatabaseValueConvertible)?] = [:]

  /// - Parameters:
  ///   - filter: which jobs.
  ///   - db: where they are.
  ///   - isByNumber: whether jobs are looked for by their numbers alone: then SQLite must use no other index.
  /// - Throws: `JobStoreError.notFound` for a batch that is not there.
  init(_ filter: JobFilter, _ db: Database, isByNumber: Bool = false) throws {
    // SQLite uses no index for `+state`.
    let plus = isByNumber ? "+" : ""
    if !filter.states.isEmpty {
      let states = filter.states.map { "'\($0.rawValue)'" }.sorted().joined(separator: ", ")
      conditions.append("\(plus)state IN (\(states))")
    }
    if let batch = filter.batch {
      try db.check(batch: batch)
      arguments["batch"] = batch
      if filter.states.isEmpty || isByNumber {
        // The index on batches is sorted by state, so a big batch would have to be sorted.
        conditions.append("+batch = :batch")
        conditions.append("id BETWEEN (SELECT first_job FROM batches WHERE id = :batch)")
        conditions.append("(SELECT last_job FROM batches WHERE id = :batch)")
      } else {
        conditions.append("batch = :batch")
      }
    }
    if !filter.jobs.isEmpty {
      // Numbers need no escaping. As text, their count is not limited, as arguments would be.
      conditions.append("id IN (\(filter.jobs.map(String.init).joined(separator: ", ")))")
    }
    if let prompt = filter.prompt {
      conditions.append("prompt LIKE :prompt ESCAPE '\\'")
      arguments["prompt"] = "%\(Self.literal(prompt))%"
    }
    if let model = filter.model {
      conditions.append("(model = :model OR model LIKE :ending ESCAPE '\\')")
      arguments["model"] = model
      arguments["ending"] = "%/\(Self.literal(model))"
    }
    if let since = filter.createdSince {
      conditions.append("created_at >= :since")
      arguments["since"] = since
    }
  }

  /// Rows of `JobSummary.columns`, the newest first.
  /// - Parameters:
  ///   - db: where they are.
  ///   - more: further conditions.
  ///   - limit: how many; nil means all.
  func rows(_ db: Database, and more: [String] = [], limit: Int?) throws -> [Row] {
    let all = conditions + more
    let condition = all.isEmpty ? "" : "WHERE " + all.joined(separator: " AND ")
    let limit = limit.map { "LIMIT \(max(0, $0))" } ?? ""
    return try Row.fetchAll(
      db, sql: "SELECT \(JobSummary.columns) FROM jobs \(condition) ORDER BY id DESC \(limit)",
      arguments: StatementArguments(arguments))
  }

  /// A text in a pattern of LIKE that stands for itself.
  private static func literal(_ text: String) -> String {
    var literal = String.UnicodeScalarView()
    // Scalars, as in SQLite: a mark above a percent sign does not make it another sign.
    for scalar in text.unicodeScalars {
      if scalar == "%" || scalar == "_" || scalar == "\\" { literal.append("\\") }
      literal.append(scalar)
    }
    return String(literal)
  }
}
