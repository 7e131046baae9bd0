import Templates
import Testing

/// The same seed gives the same text, today and in every later version: whoever changes these texts changes pictures
/// that people want to make again.
@Suite struct TemplateRandomTests {
  private static func texts(_ template: String, seeds: ClosedRange<UInt64> = 0...5) throws -> [String] {
    var wildcards = Wildcards(texts: ["w": "x\ny {1|2}\nz\n"])
    let plan = try PromptTemplate(template).plan(&wildcards)
    return seeds.map { seed in
      var numbers = SplitMix64(state: seed)
      return plan.text(&numbers)
    }
  }

  @Test func fixedTexts() throws {
    #expect(
      try Self.texts("{red|green|blue} {1|2|3}")
        == ["blue 2", "green 3", "green 3", "red 3", "green 3", "green 3"])
    #expect(
      try Self.texts("{2$$a|b|c|d}")
        == ["d,b", "c,d", "c,d", "a,d", "b,d", "b,d"])
    #expect(
      try Self.texts("{1-3$$ and $$1::a|5::b|c}")
        == ["b and a and c", "b and c", "b and c", "b", "c and b", "b and a"])
    #expect(
      try Self.texts("__w__, {2$$__w__}")
        == ["z, y 2,x", "y 2, z,x", "y 2, y 1,z", "x, z,y 1", "y 2, z,x", "y 2, x,y 1"])
    #expect(
      try Self.texts("${x=!{a|b}}${x}{0.1::c|d}${x}")
        == ["bdb", "bdb", "bdb", "ada", "ada", "ada"])
  }

  /// Vigna's splitmix64.c gives these for the seed 1234567.
  @Test func theGeneratorIsTheKnownOne() {
    var numbers = SplitMix64(state: 1_234_567)
    #expect(
      (0..<5).map { _ in numbers.next() } == [
        6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423,
        4_593_380_528_125_082_431, 16_408_922_859_458_223_821,
      ])
    var others = SplitMix64(state: 9)
    let wide = (0..<1000).map { _ in others.below(7) }
    #expect(Set(wide) == Set(0..<7))
    #expect(others.below(1) == 0 && others.index([]) == 0 && others.index([0, 1, 0]) == 1)
  }

  /// Places of one seed have numbers of their own.
  @Test func placesDiffer() {
    var first: Set<UInt64> = []
    for template in 0..<20 as Range<UInt64> {
      for draw in 0..<20 as Range<UInt64> {
        for which in 0..<2 as Range<UInt64> {
          var numbers = SplitMix64(seed: 0, places: [template, draw, which])
          first.insert(numbers.next())
          first.insert(numbers.next())
        }
      }
    }
    #expect(first.count == 20 * 20 * 2 * 2)
  }

  @Test func whatIsFixedIsChosenOnce() throws {
    for text in try Self.texts("${x=!{a|b|c|d}}${x}${x}${x}", seeds: 0...50) {
      #expect(Set(text).count == 1, "\(text)")
    }
    #expect(try Self.texts("${x={a|b|c|d}}${x}${x}${x}", seeds: 0...50).contains { Set($0).count == 3 })
    // What weighs nothing is not taken, even if there is too little else.
    #expect(try Set(Self.texts("{2$$0::a|b|0::c}", seeds: 0...50)) == ["b"])
    #expect(try Set(Self.texts("{2$$0::a|b|c}", seeds: 0...50)) == ["b,c", "c,b"])
  }
}
