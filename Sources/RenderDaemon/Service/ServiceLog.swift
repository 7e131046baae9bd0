import Boundary
import Foundation
import Logging
import Synchronization

/// The lowest level that is logged. All loggers share it, so that a reload changes all of them.
package final class LogThreshold: Sendable {
  private let value: Mutex<Logger.Level>

  package init(_ level: Logger.Level) { value = Mutex(level) }

  package var level: Logger.Level {
    get { value.withLock { $0 } }
    set { value.withLock { $0 = newValue } }
  }
}

/// The log: entries with fields if standard error leads to the journal, else lines with the time.
package struct ServiceLog: LogHandler {
  package var metadata: Logger.Metadata = [:]
  private let threshold: LogThreshold
  /// nil if standard error leads elsewhere.
  private let journal: Journal?

  package init(threshold: LogThreshold, journal: Journal? = nil) {
    self.threshold = threshold
    self.journal = journal
  }

  /// The shared threshold. swift-log has a level per logger; here it is deliberately one for all.
  package var logLevel: Logger.Level {
    get { threshold.level }
    set { threshold.level = newValue }
  }

  /// A field that every line of this logger carries.
  package subscript(metadataKey key: String) -> Logger.Metadata.Value? {
    get { metadata[key] }
    set { metadata[key] = newValue }
  }

  /// Fields whose values are in the message anyway. They go to the journal, but are not repeated on a line.
  private static let worded: Set<String> = ["worker", "job", "batch"]

  /// Writes an entry, or a line, in one piece.
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

  /// A line for standard error. If that leads to the journal, because an entry could not be sent, the line begins
  /// with a priority that journald understands.
  package static func line(_ text: String, level: Logger.Level, isJournal: Bool, time: Date) -> String {
    if isJournal { return "<\(level.priority)>\(PlainText.line(text))\n" }
    return "\(time.formatted(.iso8601)) \(level.rawValue): \(PlainText.line(text))\n"
  }
}
