import Configuration
import Testing

@Suite struct YAMLValueTests {
  @Test(arguments: [
    ("", YAMLScalar.Value.null), ("~", .null), ("null", .null), ("yes", .bool(true)), ("Off", .bool(false)),
    ("0", .int(0)), ("-12", .int(-12)), ("+7", .int(7)), ("1_000", .int(1000)), ("0x1F", .int(31)),
    ("0o17", .int(15)), ("-0b101", .int(-5)), ("010", .string("010")), ("1_", .string("1_")),
    ("--1", .string("--1")), ("0x-1", .string("0x-1")), ("1.5", .float(1.5)), ("-.5", .float(-0.5)),
    ("1e-3", .float(0.001)), ("2.", .float(2)), (".inf", .float(.infinity)), ("-.Inf", .float(-.infinity)),
    ("99999999999999999999", .float(1e20)), ("1:30", .string("1:30")), ("2024-01-01", .string("2024-01-01")),
    ("1e", .string("1e")), ("0x1p3", .string("0x1p3")), ("inf", .string("inf")), ("nan", .string("nan")),
    ("-.nan", .string("-.nan")), (".", .string(".")), ("yEs", .string("yEs")), ("é", .string("é")),
    ("9223372036854775807", .int(.max)), ("-9223372036854775808", .int(.min)),
  ])
  func plainScalars(text: String, value: YAMLScalar.Value) {
    #expect(YAMLScalar(text: text, isPlain: true).value == value)
    #expect(YAMLScalar(text: text, isPlain: false).value == .string(text))
  }

  @Test func wrongTypesNameBoth() throws {
    let map = try parse("s: 5\nt: no\ni: 1.5\nd: x\nb: 1\nl: {a: 1}\nq: '5'\nm: [1]\n").mapping(
      "the file", keys: ["s", "t", "i", "d", "b", "l", "q", "m"])
    func message(_ body: () throws -> Void) -> String {
      do {
        try body()
        return "no error"
      } catch {
        return "\(error)"
      }
    }
    #expect(
      message { _ = try map.string("s") }
        == "f.yaml:1:4: 's' must be text, not number 5: put it in quotes if you mean text")
    #expect(
      message { _ = try map.string("t") }
        == "f.yaml:2:4: 't' must be text, not yes-or-no 'no': put it in quotes if you mean text")
    #expect(message { _ = try map.int("i") } == "f.yaml:3:4: 'i' must be a whole number, not number 1.5")
    #expect(message { _ = try map.double("d") } == "f.yaml:4:4: 'd' must be a number, not text 'x'")
    #expect(message { _ = try map.bool("b") } == "f.yaml:5:4: 'b' must be true or false, not number 1")
    #expect(
      message { _ = try map.sequence("l") }
        == "f.yaml:6:4: 'l' must be a list ('- …' lines), not keys and values")
    #expect(message { _ = try map.int("q") } == "f.yaml:7:4: 'q' must be a whole number, not text '5'")
    #expect(message { _ = try map.string("m") } == "f.yaml:8:4: 'm' must be text, not a list")
  }

  @Test func rangesAndFinitenessAreChecked() throws {
    let map = try parse("i: 9\nd: .nan\ne: 2\n").mapping("the file", keys: ["i", "d", "e"])
    #expect(
      throws: YAMLError.outOfRange(at(1, 4), subject: "'i'", value: "9", rule: "it must be from 1 to 8")
    ) {
      try map.int("i", in: 1...8)
    }
    #expect(
      throws: YAMLError.outOfRange(at(1, 4), subject: "'i'", value: "9", rule: "it must be at least 10")
    ) {
      try map.int("i", in: 10...Int.max)
    }
    #expect(throws: YAMLError.outOfRange(at(2, 4), subject: "'d'", value: ".nan", rule: "it must be finite"))
    {
      try map.double("d")
    }
    #expect(
      throws: YAMLError.outOfRange(at(3, 4), subject: "'e'", value: "2", rule: "it must be from 0.0 to 1.0")
    ) {
      try map.double("e", in: 0...1)
    }
    #expect(try map.double("e") == 2)
  }

  @Test func missingAndEmptyKeys() throws {
    let map = try parse("# x\na:\nb: 1\n").mapping("the file", keys: ["a", "b", "c"])
    #expect(map.has("a") && map["a"] == nil && !map.has("c"))
    #expect(throws: YAMLError.missingKey(at(2, 1), key: "a", owner: "the file")) { try map.string("a") }
    #expect(throws: YAMLError.missingKey(at(2, 1), key: "c", owner: "the file")) { try map.string("c") }
    #expect(try map.string("c", default: "d") == "d")
    #expect(try map.int("c") == nil && map.sequence("c").isEmpty)
  }

  enum Kind: String, CaseIterable { case sd, sdxl }

  @Test func unknownWordsSuggestTheNearest() throws {
    let root = try parse("num_expert: 3\ntype: sdlx\nelse: q\n")
    #expect(throws: YAMLError.unknownKey(at(1, 1), key: "num_expert", owner: "x", allowed: ["num_experts"])) {
      try root.mapping("x", keys: ["num_experts"])
    }
    let key = YAMLError.unknownKey(
      at(1, 1), key: "num_expert", owner: "the recipe", allowed: ["type", "num_experts"])
    #expect(
      key.description == "f.yaml:1:1: unknown key 'num_expert' in the recipe: did you mean 'num_experts'?")
    let map = try root.mapping("x", keys: ["num_expert", "type", "else"])
    #expect(throws: YAMLError.notOneOf(at(2, 7), subject: "'type'", value: "sdlx", allowed: ["sd", "sdxl"])) {
      let _: Kind? = try map.choice("type")
    }
    let far = YAMLError.notOneOf(at(3, 7), subject: "'type'", value: "q", allowed: ["sd", "sdxl"])
    #expect(far.description == "f.yaml:3:7: 'type' cannot be 'q': known here: sd, sdxl")
  }

  @Test func asJSON() throws {
    let root = try parse("a: [1, 2.5, ~, yes, .inf]\n\"q\\\"\\n\": {x: 'é\t\\'}\n")
    #expect(root.json == #"{"a": [1, 2.5, null, true, ".inf"], "q\"\n": {"x": "é\t\\"}}"#)
  }
}
