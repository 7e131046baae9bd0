/// How the programs end: the exit codes, which are those of sysexits.h.
package enum ProgramExit: Int32, CaseIterable, Sendable {
  case done = 0
  /// Wrong usage of the command line.
  case usage = 64
  /// Input that cannot be right.
  case badInput = 65
  /// A file or a model that is not there or cannot be read.
  case missing = 66
  /// No daemon, no network, no memory, or a model that does not load. It may work later.
  case unavailable = 69
  /// Anything else.
  case failed = 70
  /// Permission is needed first.
  case notPermitted = 77

  /// The code's meaning in a word or two.
  private var meaning: String {
    switch self {
    case .done: "done"
    case .usage: "wrong usage"
    case .badInput: "bad input"
    case .missing: "missing file or model"
    case .unavailable: "unavailable"
    case .failed: "anything else"
    case .notPermitted: "not permitted"
    }
  }

  /// The sentences of `--help`.
  package static var help: String {
    let codes = allCases.map { "\($0.rawValue) \($0.meaning)" }.joined(separator: ", ")
    return "Exit codes: \(codes). Errors go to standard error, one line each."
  }
}

/// An error that decides the program's exit code. Its description is the line that the person reads.
package protocol ExitCoded: Error, CustomStringConvertible {
  /// How the program ends.
  var exit: ProgramExit { get }
}
