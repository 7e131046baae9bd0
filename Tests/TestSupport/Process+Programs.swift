import Foundation

extension Process {
  /// A process that is not started yet.
  /// - Parameters:
  ///   - program: the name of a program of this package, or a path that begins with a slash.
  ///   - arguments: its arguments, without its name.
  ///   - folder: the current folder; nil: that of the tests.
  ///   - environment: its environment, to which a sanitizer's settings are added; nil: that of the tests.
  /// - Throws: `Places.NotBuilt`.
  package convenience init(
    _ program: String, _ arguments: [String], in folder: String? = nil, environment: [String: String]? = nil
  ) throws {
    self.init()
    executableURL = URL(fileURLWithPath: try program.hasPrefix("/") ? program : Places.program(program))
    self.arguments = arguments
    if let folder { currentDirectoryURL = URL(fileURLWithPath: folder) }
    if let environment {
      self.environment = environment.merging(Self.sanitizerSettings) { given, _ in given }
    }
    standardInput = FileHandle.nullDevice
  }

  /// What a sanitizer is told that the programs may be built with (`scripts/sanitize`).
  private static var sanitizerSettings: [String: String] {
    ProcessInfo.processInfo.environment.filter { $0.key.hasSuffix("SAN_OPTIONS") }
  }
}
