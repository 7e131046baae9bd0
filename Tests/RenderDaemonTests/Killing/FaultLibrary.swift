import Foundation
import TestSupport
import Testing

/// Programs that the tests start, with system calls that fail or kill them: `Tests/Faults/faults.c`.
enum FaultLibrary {
  /// Compiled once a run; nil where that can't be done.
  static let path: String? = compile()

  /// For `.enabled(if:)`; without a compiler, or where a sanitizer must come first, these tests can't be.
  static let isThere: Bool = {
    let isThere = path != nil
    if !isThere { print("fault tests: skipped, no C compiler (clang, cc) or a sanitized build") }
    return isThere
  }()

  /// What a program's environment needs for the rules to hold.
  static func environment(_ rules: [String], log: String) -> [String: String] {
    guard let path, !rules.isEmpty else { return [:] }
    return ["LD_PRELOAD": path, "FAULTS": rules.joined(separator: ","), "FAULTS_LOG": log]
  }

  private static func compile() -> String? {
    guard ProcessInfo.processInfo.environment["SEGMOE_SANITIZER"] == nil else { return nil }
    let source = Places.inRepository("Tests/Faults/faults.c")
    // It stays until the machine's temporary folder is emptied: the tests have no common end.
    let library = TemporaryFolder.unusedPath(".so")
    return ["clang", "cc"].contains { compiler in
      let options = ["-shared", "-fPIC", "-O1", "-o", library, source, "-ldl"]
      return (try? Outcome(of: "/usr/bin/env", [compiler] + options))?.code == 0
    } ? library : nil
  }
}
