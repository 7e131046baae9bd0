import ArgumentParser
import Checkpoints
import Diffusion
import Hub
import Images
import Layers
import Merging
import Requests
import Tensors
import WeightCache

/// An error that ends the program, with its exit code (sysexits.h).
struct Problem: Error {
  let code: Int32
  let message: String

  static func usage(_ message: String) -> Problem { Problem(code: 64, message: message) }
  static func badData(_ message: String) -> Problem { Problem(code: 65, message: message) }
  static func missing(_ message: String) -> Problem { Problem(code: 66, message: message) }

  /// The exit code is 128 plus the signal's number, as in shells.
  static func interrupted(by number: Int32) -> Problem {
    Problem(code: 128 + number, message: "interrupted; nothing was written")
  }

  private init(code: Int32, message: String) {
    self.code = code
    self.message = message
  }

  /// nil for errors of the argument parser, which have their own codes.
  init?(_ error: any Error) {
    switch error {
    case let problem as Problem: self = problem
    case RequestError.missingFile: self = .missing("\(error)")
    case let error as RequestError: self = .usage(error.optionText)
    case let error as DiffusionError: self.init(code: Self.code(error), message: "\(error)")
    case let error as CheckpointError:
      if case .missingFile = error {
        self.init(code: 66, message: "\(error)")
      } else if case .exhausted = error {
        self.init(code: 69, message: "\(error)")
      } else {
        self.init(code: 65, message: "\(error)")
      }
    case let error as RecipeError: self.init(code: Self.code(error), message: "\(error)")
    case let error as SourceError: self.init(code: 66, message: "\(error)")
    case let error as HubError: self.init(code: Self.code(error), message: "\(error)")
    case let error as MergeError:
      if case .notWritable = error {
        self.init(code: 70, message: "\(error)")
      } else {
        self.init(code: 65, message: "\(error)")
      }
    case let error as MemoryError:
      if case .budget = error {
        self.init(code: 64, message: "\(error)")
      } else {
        self.init(code: 69, message: "\(error)")
      }
    case is MemoryRefusal, is ThreadError: self.init(code: 69, message: "\(error)")
    case let error as LayerError: self.init(code: 65, message: "\(error)")
    case let error as ImageError:
      switch error {
      case .unreadable: self.init(code: 66, message: "\(error)")
      case .damaged, .tooLarge, .tooManyBytes, .badSize, .badText, .noImages:
        self.init(code: 65, message: "\(error)")
      case .outputExists, .isFolder: self.init(code: 64, message: "\(error)")
      case .folderMissing: self.init(code: 66, message: "\(error)")
      case .diskFull: self.init(code: 69, message: "\(error)")
      case .notWritable: self.init(code: 77, message: "\(error)")
      default: self.init(code: 70, message: "\(error)")
      }
    default: return nil
    }
  }

  private static func code(_ error: DiffusionError) -> Int32 {
    switch error {
    case .unknownScheduler, .size, .setting: 64
    case .unsupported, .tokenOutOfRange, .mismatch: 65
    case .notFinite: 70
    }
  }

  private static func code(_ error: HubError) -> Int32 {
    switch error.kind {
    case .usage: 64
    case .damaged: 65
    case .missing: 66
    case .unavailable: 69
    case .notPermitted: 77
    }
  }

  private static func code(_ error: RecipeError) -> Int32 {
    switch error {
    case .sourceMissing, .source: 66
    default: 65
    }
  }
}
