import Fuzzing
import Templates
import TestSupport
import Testing

/// Whatever bytes somebody writes: a text, or an error that says something; never a crash, never without end.
@Suite struct TemplateFuzzTests {
  private static let seeds = [
    "a {red|0.5::blue|{x|y}} fox, {2$$ and $$a|b|c} ${v={p|q}}${v} __w__ \\{ (z:1.2)",
    "{1-3$$__w__} ${a=!{b|c}}${a:{d|e}} {-2$$f|g|} __f/*__ é🦊", "[a|b:0.5] {{{{a}|b}|c}|d} $ % _ __w__",
  ]
  private static let pieces = [
    "{", "}", "|", "$$", "${", "${v}", "${v=", "=!", ":", "::", "__", "__w__", "__f/g__", "\\", "2$$",
    "1-2$$", "-", "0.5::", "#", "%{",
    "{a|b}", "{{", "}}", "é", "\n", "*", "[!",
  ]

  @Test func fuzzedTemplatesNeverCrash() {
    var wildcards = Wildcards(texts: ["w": "x\n{y|z} __f/g__", "f/g": "${v:1}\n2", "f/h": "__w__ {h|i}"])
    var taken = 0
    let run = FuzzRun("templates", cases: 4000) { _, numbers in
      var bytes =
        numbers.isLucky(oneIn: 4)
        ? numbers.bytes(numbers.below(200)) : Array(Self.seeds[numbers.below(Self.seeds.count)].utf8)
      numbers.mutate(&bytes, most: 8, pieces: Self.pieces)
      let text = String(decoding: bytes, as: UTF8.self)
      do throws(TemplateError) {
        let plan = try PromptTemplate(text).plan(&wildcards)
        var random = SplitMix64(state: numbers.next())
        #expect(plan.text(&random).utf8.count <= TemplateLimits().textBytes)
        let combinations = try TemplateCombinations(plan)
        let texts = Array(combinations.prefix(2000))
        #expect(texts.count <= combinations.count, "\(text)")
        #expect(texts.count == min(2000, combinations.count) || !combinations.isExact, "\(text)")
        taken += 1
      } catch {
        #expect(!"\(error)".isEmpty)
      }
    }
    #expect(run.isBounded)
    // Else nothing but the refusals was tried.
    #expect(taken > run.cases / 20 || run.cases < 100, "\(taken) of \(run.cases)")
  }
}
