import Requests

/// A request for a job: what to render, and when.
package struct JobRequest: Sendable, Equatable {
  /// What to render, and how.
  package var render: RenderRequest
  /// Higher goes first.
  package var priority = 0
  /// Start no earlier than this time, in milliseconds since 1970; nil means at once.
  package var runAfter: Int64?
  /// Attempts until a failing job is given up, 1 or more.
  package var maxAttempts = 3

  /// A job with the default priority, to be rendered as soon as possible.
  package init(_ render: RenderRequest) {
    self.render = render
  }

  /// Checks all fields.
  /// - Throws: `RequestError.invalid` for the first wrong one.
  package func validate(limits: RenderLimits = RenderLimits()) throws {
    guard (-1_000_000...1_000_000).contains(priority) else {
      throw RequestError.invalid(setting: "priority", value: "\(priority)", rule: "use -1000000 to 1000000")
    }
    guard (1...100).contains(maxAttempts) else {
      throw RequestError.invalid(setting: "max_attempts", value: "\(maxAttempts)", rule: "use 1 to 100")
    }
    try render.validate(limits: limits)
  }
}

extension JobRequest {
  /// The columns of `jobs` that a request fills, in the order of `values`.
  package static let columns = (Setting.all.map(\.name) + ["priority", "run_after", "max_attempts"])

  /// The values of `columns`.
  package var values: [StoredValue] {
    Setting.all.map { $0.stored(render) } + [
      priority.stored, runAfter.map { .integer($0) } ?? .null, maxAttempts.stored,
    ]
  }

  /// - Throws: `JobStoreError.damagedRow`
  init(_ reader: RowReader) throws {
    render = RenderRequest()
    for setting in Setting.all {
      let stored = try reader.stored(setting.name)
      guard setting.restore(stored, &render) else {
        throw JobStoreError.damagedRow(table: reader.table, column: setting.name, value: stored.short)
      }
    }
    priority = try reader.value("priority")
    runAfter = try reader.optional("run_after")
    maxAttempts = try reader.value("max_attempts")
  }
}
