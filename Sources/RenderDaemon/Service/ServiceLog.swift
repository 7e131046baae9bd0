import Boundary
import Foundation
import Logging
import Synchronization

/// From which level on is logged; shared by all loggers, so that a reload changes them all.
package final class LogThreshold: Sendable {
  private let value: Mutex<Logger.Level>

  package init(_ level: Logger.Level) { value = Mutex(level) }

  package var level: Logger.Level {
    get { value.withLock { $0 } }
    set { value.withLock { $0 = newValue } }
  }
}

/// Lines on standard error with the time, for a person or a file; entries with fields for the journal,
/// which keeps the time itself.
package struct ServiceLog: LogHandler {
  package var metadata: Logger.Metadata = [:]
  private let threshold: LogThreshold
  /// nil: standard error leads elsewhere.
  private let journal: Journal?

  package init(threshold: LogThreshold, journal: Journal? = nil) {
    self.threshold = threshold
    self.journal = journal
  }

  /// Deliberately the threshold of all: swift-log would have it per logger.
  package var logLevel: Logger.Level {
    get { threshold.level }
    set { threshold.level = newValue }
  }

  /// A field that every line of this logger carries.
  package subscript(metadataKey key: String) -> Logger.Metadata.Value? {
    get { metadata[key] }
    set { metadata[key] = newValue }
  }

  /// What messages say in words anyway: fields of the journal, but not repeated on a line.
  private static let worded: Set<String> = ["worker", "job", "batch"]

  /// Writes one entry or line, in one piece.
  package func log(event: LogEvent) {
    let fields = metadata.merging(event.metadata ?? [:]) { $1 }
    let message = event.message.description
    if let journal, journal.write(message, level: event.level, fields: fields) { return }
    let shown = fields.filter { !Self.worded.contains($0.key) }.sorted { $0.key < $1.key }
    let text = Self.line(
      message + shown.map { " \($0.key)=\($0.value)" }.joined(), level: event.level,
      isJournal: journal != nil, time: Date())
    StandardStreams.complain(text)
  }

  /// A line of standard error. Where it leads to the journal, which was too busy to take an entry, with a
  /// priority that journald understands.
  package static func line(_ text: String, level: Logger.Level, isJournal: Bool, time: Date) -> String {
    if isJournal { return "<\(level.priority)>\(PlainText.line(text))\n" }
    return "\(time.formatted(.iso8601)) \(level.rawValue): \(PlainText.line(text))\n"
  }
}
