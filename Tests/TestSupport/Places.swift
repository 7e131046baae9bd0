import Foundation

/// Where things are: in the repository, and beside the tests' own program.
///
///     let picture = Places.golden("images/picture.png")
///     let segmoe = try Places.program("segmoe")
package enum Places {
  /// The top of the repository, without a slash at the end.
  package static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
    .deletingLastPathComponent().deletingLastPathComponent().path

  /// A path of the repository, such as `docs/queue.md`.
  package static func inRepository(_ relative: String) -> String { "\(root)/\(relative)" }

  /// A path below `Tests/Goldens`.
  package static func golden(_ relative: String) -> String { "\(root)/Tests/Goldens/\(relative)" }

  /// A program of this package, as it was built together with the tests.
  /// - Throws: `NotBuilt`.
  package static func program(_ name: String) throws -> String {
    let tests = Bundle.main.executableURL ?? URL(fileURLWithPath: ProcessInfo.processInfo.arguments[0])
    var folder = tests.resolvingSymlinksInPath().deletingLastPathComponent()
    // Programs lie beside the tests on Linux, and a few folders up where a test bundle is a folder.
    for _ in 0..<4 {
      let candidate = folder.appending(path: name).path
      if FileManager.default.isExecutableFile(atPath: candidate) { return candidate }
      folder.deleteLastPathComponent()
    }
    throw NotBuilt(program: name)
  }

  /// A program that is not beside the tests.
  package struct NotBuilt: Error {
    let program: String
  }
}
