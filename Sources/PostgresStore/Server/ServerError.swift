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
    return PlainText.line(lines.joined(separator: " "))
  }
}
