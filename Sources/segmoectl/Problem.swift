import Foundation
import JobStore
import Requests

/// What ends the program, and its exit code (those of sysexits.h).
package struct Problem: Error, Equatable {
  package var code: Int32
  package var message: String

  /// Wrong usage of the command line.
  static func usage(_ message: String) -> Problem { Problem(code: 64, message: message) }
  /// Input that can't be right.
  static func badInput(_ message: String) -> Problem { Problem(code: 65, message: message) }
  /// A file that is not there or can't be read.
  static func missing(_ message: String) -> Problem { Problem(code: 66, message: message) }
  /// No daemon, or a model that won't load.
  static func unavailable(_ message: String) -> Problem { Problem(code: 69, message: message) }
  /// Anything else.
  static func failed(_ message: String) -> Problem { Problem(code: 70, message: message) }

  init(code: Int32, message: String) {
    self.code = code
    self.message = message
  }

  /// Nil for what the argument parser throws: help, versions and wrong usage.
  init?(_ error: any Error) {
    switch error {
    case let problem as Problem: self = problem
    case RequestError.missingFile: self = .missing("\(error)")
    case let error as RequestError: self = .usage(error.optionText)
    case let error as JobStoreError: self.init(code: Self.code(error), message: error.description)
    case let error as CocoaError: self.init(code: 70, message: error.localizedDescription)
    default: return nil
    }
  }

  /// The same problem, with the place in front: "prompts.txt:3: …".
  func at(_ place: String) -> Problem {
    Problem(code: code, message: "\(place): \(message)")
  }

  private static func code(_ error: JobStoreError) -> Int32 {
    switch error {
    case .invalidSetting: 64
    case .emptyBatch, .keyReused, .notFound, .wrongState, .damagedRow, .foreignDatabase, .notADatabase: 65
    case .notAccessible: 66
    case .schemaTooNew, .schemaTooOld, .busy: 69
    case .leaseLost, .wrongImages, .workerNameTaken, .replaced, .closed, .diskFull, .migrationFailed,
      .database:
      70
    }
  }
}
