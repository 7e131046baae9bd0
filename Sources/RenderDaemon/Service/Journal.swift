import Boundary
import Foundation
import Logging

/// systemd's journal by its native protocol. A datagram of `FIELD=value` lines becomes an entry, whose fields can be
/// searched (`journalctl SEGMOE_JOB=17`).
package struct Journal: Sendable {
  /// Where journald listens.
  static let standardSocket = "/run/systemd/journal/socket"

  private let socket: UnixDatagram

  /// nil for a name that cannot be a socket's.
  package init?(socket name: String = Self.standardSocket) {
    // A shorter wait than with the service manager, because a render logs more often than it reports.
    guard let socket = UnixDatagram(name: name, patience: 0.5) else { return nil }
    self.socket = socket
  }

  /// Whether a descriptor leads to the journal. `$JOURNAL_STREAM` must name the same file: the variable may also be
  /// inherited by a program whose output goes elsewhere.
  package static func hears(_ descriptor: Int32 = STDERR_FILENO, environment: [String: String]) -> Bool {
    guard let stream = environment["JOURNAL_STREAM"] else { return false }
    var status = stat()
    guard fstat(descriptor, &status) == 0 else { return false }
    return stream == "\(status.st_dev):\(status.st_ino)"
  }

  /// Writes an entry.
  /// - Returns: false if it did not arrive: journald is being restarted, or the text is too long for a datagram.
  /// - Parameters:
  ///   - message: any text.
  ///   - fields: `job` becomes `SEGMOE_JOB`, and so on.
  func write(_ message: String, level: Logger.Level, fields: Logger.Metadata) -> Bool {
    var entry = "MESSAGE=\(PlainText.line(message))\nPRIORITY=\(level.priority)\nSYSLOG_IDENTIFIER=segmoed\n"
    for (key, value) in fields.sorted(by: { $0.key < $1.key }) {
      entry += "\(Self.name(key))=\(PlainText.line("\(value)"))\n"
    }
    return socket.send(Array(entry.utf8))
  }

  /// Field names are capital letters, digits and underscores, at most 64.
  private static func name(_ key: String) -> String {
    let allowed = key.uppercased().map { $0.isASCII && ($0.isLetter || $0.isNumber) ? $0 : "_" }
    return String(("SEGMOE_" + allowed).prefix(64))
  }
}

extension Logger.Level {
  /// The priority as in syslog(3).
  var priority: Int {
    switch self {
    case .trace, .debug: 7
    case .info: 6
    case .notice: 5
    case .warning: 4
    case .error: 3
    case .critical: 2
    }
  }
}
