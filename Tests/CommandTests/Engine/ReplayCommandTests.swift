import Foundation
import TestSupport
import Testing

/// The real `segmoe replay-cache` on traces and budgets that nobody means well with: an error of one line with its
/// code, where sums could overflow.
@Suite struct ReplayCommandTests {
  /// Replays a file of those lines.
  private func replay(_ lines: [String], _ options: String...) throws -> Outcome {
    let folder = try TemporaryFolder()
    let path = try folder.write("trace.jsonl", lines.joined(separator: "\n"))
    defer { withExtendedLifetime(folder) {} }
    return try Outcome(of: "segmoe", ["replay-cache", path] + options)
  }

  private func use(_ bytes: Int, part: String = "x", step: Int = 1) -> String {
    "{\"bytes\":\(bytes),\"part\":\"\(part)\",\"step\":\(step)}"
  }

  @Test func hostileTracesAreBadData() throws {
    let (most, half) = (Int.max, Int.max / 2)
    expectError(try replay([use(most), use(most, part: "y")]), code: 65, "line 1: \(most) bytes")
    expectError(try replay([String](repeating: use(half), count: 4)), code: 65, "line 1: \(half) bytes")
    expectError(try replay([use(most)], "--budget", "1000%"), code: 65, "line 1: \(most) bytes")
    expectError(try replay([use(1), "", use(-1)]), code: 65, "line 3: -1 bytes")
    expectError(try replay([use(1), use(1, step: 0)]), code: 65, "line 2: step 0")
    let uses = [String](repeating: use(1 << 40), count: 8193)
    expectError(try replay(uses), code: 65, "line 8193: 9008298766368768 bytes")
  }

  @Test(arguments: ["1000%", "0.001%", "9223372036854774784", "1"])
  func theLargestTraceFitsAnyRoom(budget: String) throws {
    let run = try replay([String](repeating: use(1 << 40), count: 8192), "--budget", budget)
    #expect(run.code == 0 && run.errors.isEmpty, "\(run)")
  }

  @Test(arguments: [
    "1001%", "1e400%", "inf%", "nan%", "0%", "-5%", "%", "0", "9223372036854775807", "-1", "x",
  ])
  func budgetsOutOfRangeAreWrongUsage(budget: String) throws {
    let run = try replay([use(1)], "--budget=\(budget)")
    expectError(run, code: 64, "'\(budget)' is invalid")
    expectError(run, code: 64, "up to 1000%")
  }
}
