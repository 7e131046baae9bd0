import Foundation
import Requests

/// What an edit changes in a job, or would change.
package struct JobEdit: Sendable, Equatable {
  /// A setting with another value. Both are as a person would type them; an empty one: none.
  package struct Change: Sendable, Equatable {
    /// As the column is called.
    package var name: String
    package var before: String
    package var now: String
  }

  /// The request as it is now.
  package var request: JobRequest
  /// What differs; empty: nothing.
  package var changes: [Change]
  /// What the job waits for of a hub.
  package var sources: [SourceRecord]

  /// The changes in words, each value cut.
  package var text: String {
    func short(_ value: String) -> String {
      if value.isEmpty { return "none" }
      return value.count > 60 ? value.prefix(59) + "…" : value
    }
    return changes.map { change in
      "\(change.name.replacing("_", with: " ")) \(short(change.before)) to \(short(change.now))"
    }.joined(separator: ", ")
  }

  /// An edit of a job that waits for nothing of a hub.
  /// - Parameters:
  ///   - before: the request as it was.
  ///   - now: as it is to be.
  package init(from before: JobRequest, to now: JobRequest) {
    request = now
    changes = Self.changes(before, now)
    sources = []
  }

  private static func changes(_ before: JobRequest, _ now: JobRequest) -> [Change] {
    var changes: [Change] = []
    for setting in Setting.all where setting.stored(before.render) != setting.stored(now.render) {
      changes.append(
        Change(name: setting.name, before: setting.text(before.render), now: setting.text(now.render))
      )
    }
    func note(_ name: String, _ before: String, _ now: String) {
      if before != now { changes.append(Change(name: name, before: before, now: now)) }
    }
    note("priority", "\(before.priority)", "\(now.priority)")
    note("run_after", before.runAfter.map(shown) ?? "", now.runAfter.map(shown) ?? "")
    note("max_attempts", "\(before.maxAttempts)", "\(now.maxAttempts)")
    return changes
  }

  /// A time for a person, in UTC.
  private static func shown(_ time: Milliseconds) -> String {
    Date(milliseconds: time).formatted(.iso8601)
  }
}
