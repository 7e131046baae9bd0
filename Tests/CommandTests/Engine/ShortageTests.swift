import Foundation
import TestSupport
import Testing

/// Programs that get too few descriptors or addresses: an error that says so, never the model's fault, never a hang.
@Suite struct ShortageTests {
  private static let model = Places.golden("model/base")

  /// Runs `segmoe` under a limit of the shell.
  private func run(_ limit: String, _ arguments: [String]) throws -> Outcome {
    try Outcome(
      of: "/bin/sh", ["-c", "\(limit) && exec \"$@\"", "sh", Places.program("segmoe")] + arguments)
  }

  /// However many descriptors are there: it works, or says that there are too few.
  @Test func tooFewDescriptorsAreNotTheModelsFault() throws {
    var codes: Set<Int32> = []
    let folder = try TemporaryFolder()
    let picture = folder.file("picture.png")
    defer { withExtendedLifetime(folder) {} }
    for count in 4...12 {
      let result = try run(
        "ulimit -n \(count)",
        [
          "render", Self.model, "--prompt", "a", "--width", "64", "--height", "64", "--steps", "1",
          "--output", picture, "--force",
        ])
      #expect([0, 69].contains(result.code), "\(count): \(result.errors)")
      #expect(result.code == 0 || result.errors.contains("ulimit -n"), "\(count): \(result.errors)")
      codes.insert(result.code)
    }
    #expect(codes == [0, 69])
  }

  /// Where addresses are short, what they leave is the budget.
  @Test(.enabled(if: ProcessInfo.processInfo.environment["SEGMOE_SANITIZER"] == nil))
  func addressesAreMemoryToo() throws {
    let folder = try TemporaryFolder()
    let picture = folder.file("picture.png")
    defer { withExtendedLifetime(folder) {} }
    let arguments = [
      "render", Self.model, "--prompt", "a", "--width", "1024", "--height", "1024", "--steps", "1",
      "--output", picture,
    ]
    let result = try run("ulimit -v 700000", arguments)
    #expect(result.code == 69, "\(result.errors)")
    #expect(result.errors.contains("this machine has"), "\(result.errors)")
    #expect(!FileManager.default.fileExists(atPath: picture))
  }
}
