import Foundation

/// Programs that the tests start, with system calls that fail or kill them (`Tests/Faults/faults.c`), and with a clock
/// that is set (`clock.c`).
package enum FaultLibrary {
  /// Compiled once a run; nil where that can't be done.
  package static let path: String? = compile()

  /// For `.enabled(if:)`; without a compiler, or where a sanitizer must come first, these tests can't be.
  package static let isThere: Bool = {
    let isThere = path != nil
    if !isThere { print("fault tests: skipped, no C compiler (clang, cc) or a sanitized build") }
    return isThere
  }()

  /// What a program's environment needs for the rules to hold.
  /// - Parameters:
  ///   - rules: of `faults.c`.
  ///   - log: gets what struck.
  ///   - clock: the file that says how far ahead its clock is.
  package static func environment(
    _ rules: [String], log: String, clock: String? = nil
  ) -> [String: String] {
    guard let path, !rules.isEmpty || clock != nil else { return [:] }
    var variables = ["LD_PRELOAD": path]
    if !rules.isEmpty {
      variables["FAULTS"] = rules.joined(separator: ",")
      variables["FAULTS_LOG"] = log
    }
    variables["FAULTS_CLOCK"] = clock
    return variables
  }

  private static func compile() -> String? {
    guard ProcessInfo.processInfo.environment["SEGMOE_SANITIZER"] == nil else { return nil }
    let sources = ["faults.c", "clock.c"].map { Places.inRepository("Tests/Faults/\($0)") }
    // It stays until the machine's temporary folder is emptied: the tests have no common end.
    let library = TemporaryFolder.unusedPath(".so")
    return ["clang", "cc"].contains { compiler in
      let options = ["-shared", "-fPIC", "-O1", "-o", library] + sources + ["-ldl"]
      return (try? Outcome(of: "/usr/bin/env", [compiler] + options))?.code == 0
    } ? library : nil
  }
}
