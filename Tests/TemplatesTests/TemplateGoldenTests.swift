import Foundation
import Templates
import TestSupport
import Testing

/// What genuine dynamicprompts makes of templates (`Tests/Goldens/scripts/prompt_templates.py`).
struct TemplateGoldens: Decodable {
  struct Combinations: Decodable {
    let template: String
    let texts: [String]
  }

  struct Shares: Decodable {
    let template: String
    let shares: [String: Double]
  }

  let wildcards: [String: String]
  let templates: [Combinations]
  let random: [Shares]

  init() throws {
    let file = URL(fileURLWithPath: Places.golden("prompts/templates.json"))
    self = try JSONDecoder().decode(TemplateGoldens.self, from: Data(contentsOf: file))
  }
}

@Suite struct TemplateGoldenTests {
  /// Every text, in the same order, with the same duplicates; and the count says so before.
  @Test func combinationsAreThoseOfDynamicprompts() throws {
    let goldens = try TemplateGoldens()
    #expect(goldens.templates.count >= 150)
    var wildcards = Wildcards(texts: goldens.wildcards)
    for golden in goldens.templates {
      let template = try PromptTemplate(golden.template)
      let combinations = try TemplateCombinations(template.plan(&wildcards))
      let texts = Array(combinations)
      // Byte by byte: equal strings may differ in how a letter is written.
      #expect(
        texts.map { Array($0.utf8) } == golden.texts.map { Array($0.utf8) }, "\(golden.template): \(texts)")
      #expect(combinations.count >= texts.count, "\(golden.template)")
      #expect(!combinations.isExact || combinations.count == texts.count, "\(golden.template)")
      #expect(Array(combinations) == texts, "a second time: \(golden.template)")
    }
  }

  /// The same texts come, and about as often.
  @Test func randomTextsAreThoseOfDynamicprompts() throws {
    let goldens = try TemplateGoldens()
    #expect(goldens.random.count >= 20)
    var wildcards = Wildcards(texts: goldens.wildcards)
    let draws = 20_000
    for golden in goldens.random {
      let plan = try PromptTemplate(golden.template).plan(&wildcards)
      var counts: [String: Int] = [:]
      for draw in 0..<draws {
        var numbers = SplitMix64(seed: 7, places: [UInt64(draw)])
        counts[plan.text(&numbers), default: 0] += 1
      }
      #expect(Set(counts.keys) == Set(golden.shares.keys), "\(golden.template)")
      for (text, share) in golden.shares {
        let own = Double(counts[text] ?? 0) / Double(draws)
        // Three standard deviations of both together, and a little.
        #expect(abs(own - share) < 0.015, "\(golden.template): '\(text)' has \(own), not \(share)")
      }
    }
  }
}
