import Configuration
import Fuzzing
import Testing

/// Small files that would unfold to much: an error each time, and no time or memory spent.
@Suite struct YAMLBombTests {
  @Test func aliasBombsAreCounted() {
    var text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
    for level in 1...30 {
      let repeats = Array(repeating: "*a\(level - 1)", count: 10).joined(separator: ", ")
      text += "a\(level): &a\(level) [\(repeats)]\n"
    }
    // 11, 111, 1111, 11111 nodes in the first lines; the fifth passes 50,000 at its fourth alias.
    #expect(throws: YAMLError.tooManyNodes(at(5, 25), limit: 50_000)) { try parse(text) }
  }

  @Test func aliasesCannotHideDepth() {
    var text = "a0: &a0 []\n"
    for level in 1...40 { text += "a\(level): &a\(level) [*a\(level - 1)]\n" }
    #expect(throws: YAMLError.tooDeep(at(32, 12), limit: 32)) { try parse(text) }
  }

  @Test(arguments: ["[", "{a: ", "- ", "? "])
  func nestingBombsAreStopped(open: String) {
    let text = String(repeating: open, count: 200_000)
    #expect {
      try parse(text)
    } throws: { error in
      switch error as? YAMLError {
      case .tooDeep(_, limit: 32), .keyNotText: true
      default: false
      }
    }
  }

  @Test func depthIsCountedExactly() throws {
    func nested(_ depth: Int) -> String {
      String(repeating: "[", count: depth) + "x" + String(repeating: "]", count: depth)
    }
    #expect(throws: Never.self) { try parse(nested(32)) }
    #expect(throws: YAMLError.tooDeep(at(1, 33), limit: 32)) { try parse(nested(33)) }
  }

  @Test func manyNodesAreStopped() {
    #expect(throws: YAMLError.tooManyNodes(at(1, 200), limit: 100)) {
      try parse("[" + String(repeating: "a,", count: 500) + "]", limits: YAMLLimits(nodes: 100))
    }
  }

  @Test func largeTextsAreRefusedUnread() {
    let text = "a: " + String(repeating: "x", count: 1 << 20)
    #expect(throws: YAMLError.tooManyBytes(file: "f.yaml", bytes: text.utf8.count, limit: 1 << 20)) {
      try parse(text)
    }
  }

  @Test func tagBombsAreStopped() throws {
    let tags = (0..<60_000).map { "%TAG !\($0)! x\n" }.joined()
    #expect(throws: YAMLError.syntax(at(17, 1), problem: "more than 16 %TAG lines")) {
      try parse(tags + "--- a")
    }
    let text = String(repeating: " %TAG", count: 20)
    #expect(try parse("a: x\(text)").mapping("root", keys: ["a"]).string("a") == "x\(text)")
  }

  @Test func fuzzedFilesGiveADocumentOrAnErrorWithAPlace() {
    let seed = Array(
      """
      base_model: &b "models/base"   # remark
      num_experts: 4
      list: [1, 2.5e-3, ~, 'it''s', {k: v, *b : x}]
      experts:
        - source_model: *b
          positive_prompt: >-
            a cat, é 日
          negative_prompt: |
            grey
      ? complex
      : !!str 7
      """.utf8)
    let pieces = [
      "&a ", "*b", "[", "]", "{", "}", "- ", ": ", "\n", "'", "\"", "|", "!!str ", "? ", "%YAML 9.9\n---",
    ]
    var documents = 0
    let run = FuzzRun("yaml", cases: 3000) { _, numbers in
      var bytes = seed
      numbers.mutate(&bytes, most: 5, pieces: pieces)
      do throws(YAMLError) {
        let root = try YAMLDocument(parsing: bytes, file: "f.yaml", limits: YAMLLimits(depth: 8, nodes: 60))
          .root
        documents += 1
        #expect(!root.json.isEmpty)
      } catch {
        #expect(error.description.hasPrefix("f.yaml:"))
      }
    }
    #expect(documents > run.cases / 100 && documents < run.cases * 99 / 100, "\(documents)")
    #expect(run.isBounded)
  }
}
