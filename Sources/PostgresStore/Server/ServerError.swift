import Boundary
import Foundation
import JobStore

/// What a statement on the server ends with. The faces of the queue throw it as a `JobStoreError`.
enum ServerError: Error, Equatable {
  /// There is no connection, or it was lost before the answer came: what was asked for may have been done.
  case lost(reason: String)
  /// The server refused, with its SQLSTATE.
  case refused(state: String, reason: String)
  /// A text with a zero byte, which PostgreSQL cannot hold.
  case zeroByte
  /// An answer of another kind than this program asks for.
  case unexpected(reason: String)

  /// Whether the same transaction may pass another time: it lost to another one (serialization, deadlock).
  var isConflict: Bool {
    if case .refused(let state, _) = self { state == "40001" || state == "40P01" } else { false }
  }

  /// For a person who uses the queue.
  func translated(_ address: ServerAddress) -> JobStoreError {
    let server = address.description
    return switch self {
    case .lost(let reason): .unreachable(server: server, reason: line(reason))
    case .refused("53100", _): .diskFull(path: server)
    // The server ends its connections, or takes none now.
    case .refused(let state, let reason) where state.hasPrefix("57P") || state.hasPrefix("53"):
      .unreachable(server: server, reason: line(reason))
    // Somebody ended the statement, a lock was held for longer than this user may wait, or this is a server that others write
    // to and that follows them.
    case .refused("55P03", _), .refused("40001", _), .refused("40P01", _): .busy(path: server)
    case .refused("57014", let reason), .refused("25006", let reason), .refused("58030", let reason):
      .inputOutput(path: server, reason: line(reason))
    // A value that no column or rule takes.
    case .refused(let state, let reason) where state.hasPrefix("22") || state.hasPrefix("23"):
      .wrongRow(reason: line(reason))
    case .refused("42501", let reason):
      .notPermitted(
        path: server, reason: line(reason), mend: "let its owner GRANT this user what is missing")
    case .refused(let state, let reason):
      .refused(server: server, state: state, reason: line(reason))
    case .zeroByte: .wrongRow(reason: "a text with a zero byte, which PostgreSQL cannot hold: remove it")
    case .unexpected(let reason): .refused(server: server, state: "XX000", reason: line(reason))
    }
  }

  /// libpq's words, which may have several lines, as one.
  private func line(_ words: String) -> String {
    let lines = words.split(whereSeparator: \.isNewline).map { $0.trimmingCharacters(in: .whitespaces) }
    return PlainText.line(lines.joined(separator: " ").replacing("FATAL:  ", with: ""))
  }
}
