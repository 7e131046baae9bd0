import GRDB

/// Queued jobs of one model, size and number of steps.
package struct Backlog: Sendable, Equatable {
  package let model: String
  /// Of an image; nil: the model's own size.
  package let pixels: Double?
  /// Of an image.
  package let steps: Double
  /// Of all of them.
  package let images: Double

  /// The most kinds of jobs that are told apart.
  package static let mostKinds = 5000

  /// - Parameter row: with the columns model, pixels, steps and images.
  /// - Throws: `JobStoreError.damagedRow`
  package init(row: Row) throws {
    let reader = RowReader(row: row, table: "jobs")
    model = try reader.value("model")
    pixels = try reader.optional("pixels")
    steps = try reader.value("steps")
    images = try reader.value("images")
  }
}

extension QueueClient {

  /// What is queued before the last of some jobs is over: they themselves and, of the other jobs, those that go before it
  /// and are not held.
  /// - Parameter filter: a batch, jobs, or everything; nothing else in it counts.
  package func backlog(_ filter: JobFilter) throws -> [Backlog] {
    var condition = "TRUE"
    // As text, the count of the numbers is not limited, as arguments would be.
    let own =
      filter.batch.map { "batch = \($0)" }
      ?? (filter.jobs.isEmpty ? nil : "id IN (\(filter.jobs.map(String.init).joined(separator: ", ")))")
    return try database.read { db in
      if let own {
        let last = try Row.fetchOne(
          db,
          sql: """
            SELECT priority, id FROM jobs WHERE state = 'queued' AND \(own) ORDER BY priority, id DESC LIMIT 1
            """)
        guard let last else { return [] }
        let reader = RowReader(row: last, table: "jobs")
        let (priority, id): (Int64, Int64) = (try reader.value("priority"), try reader.value("id"))
        condition = """
          (\(own) OR held = 0 AND (priority > \(priority) OR priority = \(priority) AND id < \(id)))
          """
      }
      let rows = try Row.fetchAll(
        db,
        sql: """
          SELECT model, width * height * 1.0 AS pixels, steps * 1.0 AS steps, total(count) AS images FROM jobs
          WHERE state = 'queued' AND steps > 0 AND count > 0 AND ifnull(width > 0 AND height > 0, TRUE) AND \(condition)
          GROUP BY 1, 2, 3 LIMIT \(Backlog.mostKinds)
          """)
      return try rows.map { try Backlog(row: $0) }
    }
  }
}
