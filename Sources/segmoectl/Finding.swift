import Boundary
import Foundation
import JobStore

/// A line of `segmoectl doctor`.
struct Finding: Equatable {
  /// How bad it is.
  enum State: String {
    case ok, warn, bad
  }

  let state: State
  /// What was looked at: `queue`, `rights`, `disk`, …
  let subject: String
  /// What was found.
  let text: String
  /// What mends it; nil if all is well.
  let mend: String?

  private init(_ state: State, _ subject: String, _ text: String, _ mend: String?) {
    self.state = state
    self.subject = subject
    self.text = text
    self.mend = mend
  }

  static func ok(_ subject: String, _ text: String) -> Finding { Finding(.ok, subject, text, nil) }

  static func warn(_ subject: String, _ text: String, mend: String) -> Finding {
    Finding(.warn, subject, text, mend)
  }

  static func bad(_ subject: String, _ text: String, mend: String) -> Finding {
    Finding(.bad, subject, text, mend)
  }

  /// An error whose text says what mends it: behind the first of these.
  static func bad(_ subject: String, _ error: any Error) -> Finding {
    let text = "\(error)"
    var cut = text.range(of: ": ", options: .backwards) ?? text.range(of: "; ")
    switch error {
    // What a system or a server says may have colons of its own.
    case JobStoreError.unreachable, JobStoreError.notPermitted, JobStoreError.notAccessible:
      cut = text.range(of: "; ", options: .backwards) ?? cut
    case JobStoreError.refused: return .bad(subject, text, mend: "look into the server's log")
    case JobStoreError.inputOutput:
      return .bad(subject, text, mend: "try again; if it stays, look what is below the queue")
    default: break
    }
    guard let cut else {
      return .bad(subject, text, mend: "look at the message")
    }
    return .bad(subject, String(text[..<cut.lowerBound]), mend: String(text[cut.upperBound...]))
  }

  /// For a person.
  var line: String {
    TerminalText.padded(state.rawValue, columns: 6) + TerminalText.padded(subject, columns: 12)
      + PlainText.line(text)
      + (mend.map { "\n" + String(repeating: " ", count: 18) + "→ " + PlainText.line($0) } ?? "")
  }

  var json: JSONText {
    .object([
      ("state", .string(state.rawValue)), ("subject", .string(subject)), ("finding", .string(text)),
      ("mend", .optional(mend)),
    ])
  }
}
