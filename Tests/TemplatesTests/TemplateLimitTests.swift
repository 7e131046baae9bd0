import Foundation
import Templates
import Testing

/// Whatever somebody writes, its size is known before it is made.
@Suite struct TemplateLimitTests {
  private static func fault(
    _ text: String, files: [String: String] = [:], limits: TemplateLimits = TemplateLimits()
  ) throws -> TemplateError.Fault? {
    var wildcards = Wildcards(texts: files, limits: limits)
    do throws(TemplateError) {
      let plan = try PromptTemplate(text, limits: limits).plan(&wildcards, limits: limits)
      _ = try TemplateCombinations(plan, most: limits.expansions)
      return nil
    } catch {
      return error.fault
    }
  }

  private static func repeated(_ text: String, _ count: Int) -> String {
    String(repeating: text, count: count)
  }

  @Test func countsAreMadeWithoutTexts() throws {
    #expect(try Self.fault(Self.repeated("{a|b}", 13)) == nil)
    #expect(
      try Self.fault(Self.repeated("{a|b}", 14)) == .tooMany(count: 16_384, isExact: true, limit: 10_000))
    #expect(
      try Self.fault(Self.repeated("{a|b}", 13_000)) == .tooMany(count: .max, isExact: true, limit: 10_000))
    // 20 · 19 · 18 · 17.
    let letters = (0..<20).map { "\($0)" }.joined(separator: "|")
    #expect(
      try Self.fault("{4$$\(letters)}") == .tooMany(count: 116_280, isExact: true, limit: 10_000))
    #expect(
      try Self.fault("{3-4$$\(letters)}") == .tooMany(count: 116_280 + 6840, isExact: true, limit: 10_000))
    #expect(
      try Self.fault("{-20$$\(letters)}")
        == .tooMany(count: 6_613_313_319_248_080_000, isExact: true, limit: 10_000))
    let many = (0..<9000).map { "\($0)" }.joined(separator: "|")
    #expect(try Self.fault("{\(many)}") == nil)
    #expect(try Self.fault("{9000$$\(many)}") == .tooMany(count: .max, isExact: true, limit: 10_000))
    #expect(try Self.fault("{1-$$\(many)}") == .tooMany(count: .max, isExact: true, limit: 10_000))
    // Options that may meet: no more than that.
    #expect(
      try Self.fault("{\(Self.repeated("{a|b}", 14))|c}")
        == .tooMany(count: 16_385, isExact: false, limit: 10_000))
    var limits = TemplateLimits()
    limits.expansions = 3
    #expect(try Self.fault("{a|b|c}", limits: limits) == nil)
    #expect(
      try Self.fault("{a|b|c|d}", limits: limits) == .tooMany(count: 4, isExact: true, limit: 3))
    // A line of a million characters is an error of length, whatever is in it.
    #expect(
      try Self.fault(Self.repeated("{", 1 << 20)) == .longTemplate(bytes: 1 << 20, limit: 65_536))
  }

  /// The first of very many is there at once, and so is a random one.
  @Test func hugeTemplatesGiveTheirFirstTexts() throws {
    var wildcards = Wildcards()
    let plan = try PromptTemplate(Self.repeated("{a|b}", 13_000)).plan(&wildcards)
    var texts = try TemplateCombinations(plan, most: .max).makeIterator()
    #expect(texts.next() == Self.repeated("a", 13_000))
    #expect(texts.next() == Self.repeated("a", 12_999) + "b")
    var numbers = SplitMix64(state: 1)
    #expect(plan.text(&numbers).count == 13_000)
    let fixed = try PromptTemplate("${x=!" + Self.repeated("{a|b}", 100) + "}${x}").plan(&wildcards)
    #expect(Array(try TemplateCombinations(fixed)) == [Self.repeated("a", 100)])
  }

  @Test func depthHasALimit() throws {
    func nested(_ depth: Int) -> String { Self.repeated("{", depth) + "a" + Self.repeated("}", depth) }
    #expect(try Self.fault(nested(64)) == nil)
    #expect(try Self.fault(nested(65)) == .tooDeep(limit: 64))
    #expect(try Self.fault(Self.repeated("{", 60_000)) == .tooDeep(limit: 64))
    #expect(try Self.fault(Self.repeated("${a:", 16_000)) == .tooDeep(limit: 64))
    // Variables and wildcards count, in whichever order they are used.
    let chain = (1..<1000).map { "${v\($0)=a${v\($0 - 1)}}" }.joined()
    let uses = (0..<1000).map { "${v\($0)}" }
    #expect(try Self.fault("${v0=x}" + chain + uses.joined()) == .tooDeep(limit: 64))
    #expect(try Self.fault("${v0=x}" + chain + uses.reversed().joined()) == .tooDeep(limit: 64))
    let files = Dictionary(uniqueKeysWithValues: (0..<100).map { ("f\($0)", "__f\($0 + 1)__ x") })
    #expect(
      try Self.fault("__f0__", files: files.merging(["f100": "y"]) { a, _ in a }) == .tooDeep(limit: 64))
    #expect(try Self.fault("__f50__", files: files.merging(["f100": "y"]) { a, _ in a }) == nil)
  }

  /// Short templates whose texts would fill the machine.
  @Test func textsHaveALimit() throws {
    let doubled = (1..<60).map { "${v\($0)=${v\($0 - 1)}${v\($0 - 1)}}" }.joined()
    #expect(try Self.fault("${v0=x}" + doubled + "${v40}") == .tooManyParts(limit: 100_000))
    #expect(try Self.fault("${v0={}}" + doubled + "${v40}") == .tooManyParts(limit: 100_000))
    let long = Self.repeated("x", 1000)
    #expect(
      try Self.fault("${v0=\(long)}" + doubled + "${v8}") == .longText(bytes: 256_000, limit: 65_536))
    #expect(try Self.fault("${v0=\(long)}" + doubled + "${v6}") == nil)
    #expect(
      try Self.fault("{9$$\(Self.repeated(",", 10_000))$$1|2|3|4|5|6|7|8|9}")
        == .longText(bytes: 80_009, limit: 65_536))
    var limits = TemplateLimits()
    limits.planParts = 100
    let lines = ["a": (0..<200).map { "\($0)" }.joined(separator: "\n")]
    #expect(try Self.fault("__a__", files: lines, limits: limits) == .tooManyParts(limit: 100))
  }
}
