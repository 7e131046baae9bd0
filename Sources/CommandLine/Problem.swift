import Boundary
import Foundation
import Requests

/// An error that ends a program: a line for the person, and the exit code.
package struct Problem: Error, Equatable {
  /// The exit code: one of `ProgramExit`, or 128 and a signal's number.
  package let code: Int32
  /// One line: the thing, and how to fix it.
  package let message: String

  private init(code: Int32, message: String) {
    self.code = code
    self.message = message
  }

  /// - Parameters:
  ///   - exit: how the program ends.
  ///   - message: one line: the thing, and how to fix it.
  package init(_ exit: ProgramExit, _ message: String) {
    self.init(code: exit.rawValue, message: message)
  }

  /// Wrong usage of the command line.
  package static func usage(_ message: String) -> Problem { Problem(.usage, message) }
  /// Input that cannot be right.
  package static func badInput(_ message: String) -> Problem { Problem(.badInput, message) }
  /// A file that is not there or cannot be read.
  package static func missing(_ message: String) -> Problem { Problem(.missing, message) }
  /// No daemon, or a model that does not load.
  package static func unavailable(_ message: String) -> Problem { Problem(.unavailable, message) }
  /// Anything else.
  package static func failed(_ message: String) -> Problem { Problem(.failed, message) }

  /// 128 and the signal's number, as shells have it.
  package static func interrupted(by signal: Int32) -> Problem {
    Problem(code: 128 + signal, message: "interrupted; nothing was written")
  }

  /// nil for errors of the argument parser, and for unknown errors.
  package init?(_ error: any Error) {
    switch error {
    case let problem as Problem: self = problem
    case let error as RequestError: self.init(error.exit, error.optionText)
    case let error as any ExitCoded: self.init(error.exit, error.description)
    case let error as CocoaError: self.init(.failed, error.localizedDescription)
    default: return nil
    }
  }

  /// The same problem, with the place in front: "prompts.txt:3: …".
  package func at(_ place: String) -> Problem { Problem(code: code, message: "\(place): \(message)") }
}

extension RequestError: ExitCoded {
  package var exit: ProgramExit {
    switch self {
    case .missingFile, .noSource: .missing
    default: .usage
    }
  }
}

extension EnvironmentError: ExitCoded {
  package var exit: ProgramExit { .usage }
}
