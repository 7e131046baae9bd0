import Foundation
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
    let source = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .appending(path: "Faults/faults.c").path
    let library = NSTemporaryDirectory() + "segmoe-faults-\(UUID().uuidString).so"
    for compiler in ["clang", "cc"] {
      let process = Process()
      process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
      process.arguments = [compiler, "-shared", "-fPIC", "-O1", "-o", library, source, "-ldl"]
      process.standardError = FileHandle.nullDevice
      guard (try? process.run()) != nil else { continue }
      process.waitUntilExit()
      if process.terminationStatus == 0 { return library }
    }
    return nil
  }
}
