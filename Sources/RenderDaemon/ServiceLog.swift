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

/// Lines on standard error: with the time for a person or a file, with a priority for the journal, which
/// keeps the time itself.
package struct ServiceLog: LogHandler {
  package var metadata: Logger.Metadata = [:]
  private let threshold: LogThreshold
  private let isJournal: Bool

  package init(threshold: LogThreshold, isJournal: Bool) {
    self.threshold = threshold
    self.isJournal = isJournal
  }

  /// Whether standard error leads to the journal: `$JOURNAL_STREAM` names the very file. (Inherited by
  /// a program whose output goes elsewhere, it would not.)
  package static func isJournal(environment: [String: String], descriptor: Int32 = STDERR_FILENO) -> Bool {
    guard let stream = environment["JOURNAL_STREAM"] else { return false }
    var status = stat()
    guard fstat(descriptor, &status) == 0 else { return false }
    return stream == "\(status.st_dev):\(status.st_ino)"
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

  /// Writes one line, in one piece.
  package func log(event: LogEvent) {
    let all = metadata.merging(event.metadata ?? [:]) { $1 }
    let fields = all.sorted { $0.key < $1.key }.map { " \($0.key)=\($0.value)" }.joined()
    let text = Self.line(
      event.message.description + fields, level: event.level, isJournal: isJournal, time: Date())
    FileHandle.standardError.write(Data(text.utf8))
  }

  /// One line whatever the text: prompts and file names are quoted in errors, and must not be able to
  /// forge lines or move a terminal's cursor.
  package static func line(_ text: String, level: Logger.Level, isJournal: Bool, time: Date) -> String {
    let safe = text.unicodeScalars.map { scalar in
      scalar.properties.generalCategory == .control || scalar.value == 0x2028 || scalar.value == 0x2029
        ? scalar.escaped(asASCII: true) : String(scalar)
    }.joined()
    if isJournal { return "<\(priority(level))>\(safe)\n" }
    let stamp = time.formatted(.iso8601)
    return "\(stamp) \(level.rawValue): \(safe)\n"
  }

  /// As in syslog(3).
  private static func priority(_ level: Logger.Level) -> Int {
    switch level {
    case .trace, .debug: 7
    case .info: 6
    case .notice: 5
    case .warning: 4
    case .error: 3
    case .critical: 2
    }
  }
}
