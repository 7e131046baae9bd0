/// A table that goes with a queue which moves into another store. Its columns are those that both stores have.
///
/// What is not here stays behind: pictures of what is at work, the index of prompts, which a daemon makes anew, rows that
/// an upgrade set aside, and what only one store has for itself.
package struct MovedTable: Sendable, Hashable {
  package let name: String
  /// The columns that its rows are told apart and ordered by.
  package let order: String
  /// How many rows may be in memory at a time.
  package let rowsAtOnce: Int

  private init(_ name: String, by order: String, rowsAtOnce: Int = 1000) {
    self.name = name
    self.order = order
    self.rowsAtOnce = rowsAtOnce
  }

  package static let batches = MovedTable("batches", by: "id")
  package static let jobs = MovedTable("jobs", by: "id")
  package static let workers = MovedTable("workers", by: "name")

  /// All of them, each after those that it names.
  package static let all = [
    batches,
    jobs,
    MovedTable("images", by: "job, number"),
    MovedTable("former_images", by: "job, path"),
    MovedTable("progress", by: "job, number"),
    // A resume state may have megabytes.
    MovedTable("checkpoints", by: "job, number", rowsAtOnce: 4),
    workers,
    MovedTable("events", by: "id"),
    MovedTable("models", by: "name"),
    MovedTable("found_models", by: "worker, model"),
    MovedTable("lacking_models", by: "worker, model"),
    MovedTable("fetchers", by: "name"),
    MovedTable("sources", by: "id"),
    MovedTable("job_sources", by: "job, source"),
  ]
}

/// Rows of a moved table on their way into a table of the other store.
package struct MovedRows: Sendable {
  /// The table that takes them.
  package let table: String
  /// Its columns, and what is in each: SQL over the columns of the moved table that both stores understand.
  package let columns: [(name: String, value: String)]
  /// The condition in SQL for those that it takes; nil: all.
  package let condition: String?

  /// - Parameters:
  ///   - table: that takes them.
  ///   - columns: that are the same on both sides.
  ///   - others: that have to be reckoned.
  ///   - condition: for those that it takes; nil: all.
  package init(
    into table: String, _ columns: some Sequence<String>, _ others: [(name: String, value: String)] = [],
    where condition: String? = nil
  ) {
    self.table = table
    let reckoned = Set(others.map(\.name))
    self.columns = columns.filter { !reckoned.contains($0) }.sorted().map { ($0, $0) } + others
    self.condition = condition
  }

  /// What reads them.
  /// - Parameters:
  ///   - moved: the table that they are rows of.
  ///   - relation: where its store has it.
  package func select(_ moved: MovedTable, from relation: String) -> String {
    let values = columns.map { $0.name == $0.value ? $0.name : "\($0.value) AS \($0.name)" }
    let those = condition.map { "WHERE \($0)" } ?? ""
    return "SELECT \(values.joined(separator: ", ")) FROM \(relation) \(those) ORDER BY \(moved.order)"
  }
}
