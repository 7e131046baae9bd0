import Foundation
import Testing
import WeightCache

/// Traces from files, whoever wrote them: a replay or an error that says which line it is, never a crash.
@Suite struct CacheTraceTests {
  /// A file of those lines.
  private static func read(_ lines: [String]) throws(CacheTraceError) -> CacheTrace {
    try CacheTrace(lines: Data(lines.joined(separator: "\n").utf8), path: "t")
  }

  private static func use(_ bytes: Int, part: String = "x", step: Int? = 1) -> String {
    let end = step.map { number in ",\"step\":\(number)" } ?? ""
    return "{\"bytes\":\(bytes),\"part\":\"\(part)\"\(end)}"
  }

  @Test func whatIsWrittenIsRead() throws {
    let uses = [
      CacheTrace.Use(part: "text", bytes: 7), CacheTrace.Use(part: "x", bytes: 5, step: 1),
      CacheTrace.Use(part: "nothing", bytes: 0, step: 2),
    ]
    let lines = uses.map { Self.use($0.bytes, part: $0.part, step: $0.step) }
    #expect(try Self.read(lines) == CacheTrace(uses: uses))
    #expect(try Self.read(["", lines[0], "", lines[1], lines[2], ""]) == CacheTrace(uses: uses))
    #expect(try Self.read([]) == CacheTrace(uses: []))
  }

  /// Lines without anything count too: an editor shows the same number.
  @Test(arguments: [
    "{", "[]", "null", "1", "{\"part\":\"x\"}", "{\"bytes\":1}", "{\"part\":\"x\",\"bytes\":1.5}",
    "{\"part\":\"x\",\"bytes\":9223372036854775808}", "{\"part\":\"x\",\"bytes\":1e400}",
    "{\"part\":\"x\",\"bytes\":1,\"step\":9223372036854775808}",
  ])
  func whatIsNoUseIsNamedByItsLine(line: String) {
    #expect(throws: CacheTraceError.notAUse(path: "t", line: 4)) {
      try Self.read([Self.use(1), "", Self.use(1), line])
    }
  }

  @Test(arguments: [Int.min, -1, CacheTrace.mostPartBytes + 1, Int.max / 2, Int.max])
  func bytesOfAPartAreBounded(bytes: Int) {
    let most = CacheTrace.mostPartBytes
    let wanted = CacheTraceError.partBytes(path: "t", line: 2, bytes: bytes, most: most)
    #expect(throws: wanted) { try Self.read([Self.use(most), Self.use(bytes, part: "y")]) }
    #expect("\(wanted)".contains("t, line 2: \(bytes) bytes") && "\(wanted)".contains("\(most)"))
  }

  @Test(arguments: [Int.min, -1, 0]) func stepsCountFromOne(step: Int) {
    #expect(throws: CacheTraceError.step(path: "t", line: 2, step: step)) {
      try Self.read([Self.use(1, step: Int.max), Self.use(1, step: step)])
    }
  }

  /// As much as a file may hold is replayed under every policy and in any room; one byte more is refused.
  @Test func bytesOfAllUsesAreBounded() throws {
    let (most, ofPart) = (CacheTrace.mostBytes, CacheTrace.mostPartBytes)
    let count = most / ofPart
    let lines = (0..<count).map { Self.use(ofPart, part: "\($0 % 4)", step: 1 + $0 / 4) }
    let replay = CacheReplay(try Self.read(lines))
    #expect(replay.workingSet == 4 * ofPart)
    for budget in [0, 1, 3 * ofPart, 10 * most, Int.max] {
      let outcomes =
        [replay.optimum(budget: budget)] + CachePolicy.allCases.map { replay.run($0, budget: budget) }
      for outcome in outcomes {
        #expect(outcome.hits + outcome.misses == count && outcome.bytesHit + outcome.bytesRead == most)
        #expect(budget < 4 * ofPart || outcome.misses == 4)
      }
    }
    #expect(throws: CacheTraceError.totalBytes(path: "t", line: count + 1, bytes: most + 1, most: most)) {
      try Self.read(lines + [Self.use(1, part: "y")])
    }
  }

  /// A part in another size is another reading of the same weights: what is held does not serve it, and leaves.
  @Test func anotherSizeIsReadAnew() {
    let replay = CacheReplay(
      CacheTrace(uses: [10, 20, 20, 10].map { CacheTrace.Use(part: "x", bytes: $0, step: 1) }))
    #expect(replay.workingSet == 20)
    let outcomes = [replay.optimum(budget: 20)] + CachePolicy.allCases.map { replay.run($0, budget: 20) }
    for outcome in outcomes {
      #expect(outcome.hits == 1 && outcome.bytesHit == 20 && outcome.misses == 3 && outcome.bytesRead == 40)
    }
  }
}
