import Foundation
import Testing

/// Programs that the tests start, with system calls that fail or kill them (`Tests/Faults/faults.c`), and with a clock
/// that is set (`clock.c`).
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
  /// - Parameters:
  ///   - rules: of `faults.c`.
  ///   - log: gets what struck.
  ///   - clock: the file that says how far ahead its clock is.
  static func environment(_ rules: [String], log: String, clock: String? = nil) -> [String: String] {
    guard let path, !rules.isEmpty || clock != nil else { return [:] }
    var variables = ["LD_PRELOAD": path]
    if !rules.isEmpty {
      variables["SEGMOE_FAULT"] = rules.joined(separator: ",")
      variables["SEGMOE_FAULT_LOG"] = log
    }
    variables["SEGMOE_CLOCK"] = clock
    return variables
  }

  private static func compile() -> String? {
    guard ProcessInfo.processInfo.environment["SEGMOE_SANITIZER"] == nil else { return nil }
    let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .appending(path: "Faults")
    let sources = ["faults.c", "clock.c"].map { folder.appending(path: $0).path }
    let library = NSTemporaryDirectory() + "segmoe-faults-\(UUID().uuidString).so"
    for compiler in ["clang", "cc"] {
      let process = Process()
      process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
      process.arguments = [compiler, "-shared", "-fPIC", "-O1", "-o", library] + sources + ["-ldl"]
      process.standardError = FileHandle.nullDevice
      guard (try? process.run()) != nil else { continue }
      process.waitUntilExit()
      if process.terminationStatus == 0 { return library }
    }
    return nil
  }
}
