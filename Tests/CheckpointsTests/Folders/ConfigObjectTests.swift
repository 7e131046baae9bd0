import Checkpoints
import Foundation
import Fuzzing
import Testing

@Suite struct ConfigObjectTests {
  private func config(_ text: String) throws -> ConfigObject {
    guard case .object(let values) = try JSONValue(parsing: Array(text.utf8), path: "config.json") else {
      throw CheckpointError.malformed(path: "config.json", reason: "not an object")
    }
    return ConfigObject(path: "config.json", values: values)
  }

  @Test func readsValuesAsTheyAreWritten() throws {
    let config = try config(
      #"""
      {"i": 4, "whole": 4.0, "f": 1e-05, "s": "aé\u00e9\ud83d\ude00\n", "b": true, "n": null, "list": [1, 2, 3],
       "mixed": [1, 2.5], "names": ["x", "y"], "o": {"deep": {"k": 7}},
       "low": -Infinity, "nan": NaN, "big": 1e30, "most": 9223372036854775807}
      """#)
    #expect(try config.int("i") == 4 && config.int("whole") == 4 && config.int("none", default: 9) == 9)
    #expect(try config.int("n", default: 3) == 3 && config.intIfPresent("n") == nil)
    #expect(config.has("n") && !config.has("none"))
    #expect(try config.int("most") == Int.max)
    #expect(try config.double("f") == 1e-05 && config.float("i", default: 0) == 4)
    #expect(try config.double("low") == -.infinity && config.double("nan").isNaN)
    #expect(try config.string("s") == "aéé😀\n" && config.string("none", default: "d") == "d")
    #expect(try config.bool("b", default: false) && config.boolIfPresent("none") == nil)
    #expect(try config.ints("list") == [1, 2, 3] && config.doublesIfPresent("mixed") == [1, 2.5])
    #expect(try config.strings("names") == ["x", "y"])
    #expect(try config.intOrInts("i", count: 3, default: 0) == [4, 4, 4])
    #expect(try config.intOrInts("list", count: 3, default: 0) == [1, 2, 3])
    #expect(try config.intOrInts("none", count: 2, default: 5) == [5, 5])
    #expect(try config.objectIfPresent("o")?.objectIfPresent("deep")?.int("k") == 7)
  }

  @Test func errorsNameFileAndKey() throws {
    let config = try config(#"{"i": "4", "f": 1.5, "list": [1, "2"], "o": {"k": 1}, "act": "gelu"}"#)
    func message(_ body: () throws -> Void) -> String {
      do { try body() } catch { return "\(error)" }
      return "no error"
    }
    #expect(message { _ = try config.int("none") } == "config.json: none: missing")
    #expect(message { _ = try config.int("i") } == "config.json: i: is a text, expected a whole number")
    #expect(message { _ = try config.int("f") } == "config.json: f: is a number, expected a whole number")
    #expect(message { _ = try config.ints("list") }.hasPrefix("config.json: list: is a text"))
    #expect(
      message { _ = try config.intOrInts("list", count: 3, default: 0) }.contains("2 entries, expected 3"))
    #expect(
      message { _ = try config.objectIfPresent("o")?.int("k", in: 2...8) }
        == "config.json: o.k: is 1, expected 2 to 8")
    #expect(
      message { try config.refuse("act", unless: .string("silu")) }
        == "config.json: act: \"gelu\" is not supported")
    try config.refuse("act", unless: .string("silu"), .string("gelu"))
    try config.refuse("none", unless: .string("silu"))
    #expect(
      message { try config.refuseUnknown(allowed: ["i", "f", "list", "o"]) }.hasPrefix(
        "config.json: act: unknown"))
    try config.refuseUnknown(allowed: ["i", "f", "list", "o", "act"])
  }

  static let damaged: [String] = [
    "", "{", "}", "[1,]", "{\"a\" 1}", "{\"a\":1,}", "{a:1}", "01", "1.", ".5", "+1", "1e", "--1", "tru",
    "nul", "'a'",
    "\"a", "\"\\x\"", "\"\\u12g4\"", "\"\\ud800\"", "\"\\ud800\\u0041\"", "\"\\udc00\"", "\"\t\"", "1 2",
    "{\"a\":1,\"a\":2}",
    "1e999", "-", "[1 2]", "\u{feff}{}", String(repeating: "[", count: 200_000),
    String(repeating: "{\"a\":", count: 200_000),
    String(repeating: "[", count: 65) + String(repeating: "]", count: 65),
  ]

  @Test(arguments: damaged.indices) func refusesDamagedJSON(_ index: Int) throws {
    let error = #expect(throws: CheckpointError.self) {
      try JSONValue(parsing: Array(Self.damaged[index].utf8), path: "x.json")
    }
    #expect(error?.description.hasPrefix("x.json: damaged") == true)
  }

  @Test func refusesBytesThatAreNotUTF8() {
    for bytes: [UInt8] in [
      [0x22, 0xff, 0x22], [0x22, 0xc0, 0x80, 0x22], [0x22, 0xed, 0xa0, 0x80, 0x22], [0xff],
    ] {
      #expect(throws: CheckpointError.self) { try JSONValue(parsing: bytes, path: "x.json") }
    }
  }

  @Test func textGivesTheSameValueBack() throws {
    let value = JSONValue.object([
      "a\"\\\u{1}é": .array([
        .null, .bool(true), .integer(-3), .number(0.1), .number(-.infinity), .string("\n😀"),
      ]),
      "": .object([:]),
    ])
    #expect(try JSONValue(parsing: Array(value.text.utf8), path: "x") == value)
  }

  @Test func fuzzedJSONNeverCrashes() throws {
    let whole = Array(
      #"{"a": [1, -2.5e3, "x\u00e9\ud83d\ude00"], "b": {"c": null, "d": true}, "e": "é"}"#.utf8)
    let run = try FuzzRun("json", cases: 5000) { _, numbers in
      var bytes = whole
      numbers.mutate(&bytes, pieces: ["{", "[", "\"", "\\u", "1e999", "-", ","])
      do { _ = try JSONValue(parsing: bytes, path: "x").text } catch is CheckpointError {}
    }
    #expect(run.isBounded)
  }
}
