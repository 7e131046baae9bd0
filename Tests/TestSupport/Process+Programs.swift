import Foundation

extension Process {
  /// A process that is not started yet.
  /// - Parameters:
  ///   - program: the name of a program of this package, or a path that begins with a slash.
  ///   - arguments: its arguments, without its name.
  ///   - folder: the current folder; nil: that of the tests.
  ///   - environment: its environment, to which a sanitizer's settings are added; nil: that of the tests without what is
  ///     meant for them.
  /// - Throws: `Places.NotBuilt`.
  package convenience init(
    _ program: String, _ arguments: [String], in folder: String? = nil, environment: [String: String]? = nil
  ) throws {
    self.init()
    executableURL = URL(fileURLWithPath: try program.hasPrefix("/") ? program : Places.program(program))
    self.arguments = arguments
    if let folder { currentDirectoryURL = URL(fileURLWithPath: folder) }
    self.environment = (environment ?? Self.ownEnvironment).merging(Self.sanitizerSettings) { given, _ in
      given
    }
    standardInput = FileHandle.nullDevice
  }

  /// That of the tests, without what is said to the tests and to the build: a daemon refuses variables that it does not
  /// know.
  private static var ownEnvironment: [String: String] {
    ProcessInfo.processInfo.environment.filter { !$0.key.hasPrefix("SEGMOE_") || $0.key == "SEGMOE_ISA" }
  }

  /// What a sanitizer is told that the programs may be built with (`scripts/sanitize`).
  private static var sanitizerSettings: [String: String] {
    ProcessInfo.processInfo.environment.filter { $0.key.hasSuffix("SAN_OPTIONS") }
  }
}
