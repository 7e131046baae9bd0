import TestSupport
import Testing

/// The judge of schemas itself: what does not fit is seen, and a schema that it does not wholly understand is refused.
@Suite struct SchemaFolderTests {
  private func folder(_ schema: String) throws -> SchemaFolder {
    try SchemaFolder([
      "s.json": schema, "t.json": #"{"type": "integer", "$defs": {"name": {"type": "string"}}}"#,
    ])
  }

  static let values: [(schema: String, fits: [String], doesNot: [String])] = [
    (
      #"{"type": "integer"}"#, ["1", "-5", "5.0", "18446744073709551615"],
      ["1.5", "true", "\"1\"", "null", "[]"]
    ),
    (#"{"type": "number"}"#, ["1", "1.5"], ["false", "\"1\"", "null"]),
    (#"{"type": "boolean"}"#, ["true", "false"], ["1", "0", "null", "\"true\""]),
    (#"{"type": ["string", "null"]}"#, ["\"\"", "null"], ["0", "{}", "[]"]),
    (#"{"enum": ["a", null, 2]}"#, ["\"a\"", "null", "2"], ["\"b\"", "3", "true"]),
    (#"{"const": true}"#, ["true"], ["false", "1"]),
    (#"{"minimum": 1, "maximum": 3}"#, ["1", "3", "\"x\""], ["0.9", "3.1"]),
    (#"{"exclusiveMinimum": 0, "exclusiveMaximum": 1}"#, ["0.1"], ["0", "1"]),
    (#"{"multipleOf": 8}"#, ["64", "0"], ["63"]),
    (#"{"minLength": 1, "maxLength": 2}"#, ["\"é\"", "\"狐🦊\""], ["\"\"", "\"abc\""]),
    (#"{"pattern": "^[0-9]+x[0-9]+$"}"#, ["\"1x22\"", "5"], ["\"x1\"", "\"1x2 \""]),
    (
      #"{"type": "array", "items": {"type": "integer"}, "minItems": 1, "maxItems": 2}"#, ["[1]", "[1, 2]"],
      ["[]", "[1, 2, 3]", "[1, \"2\"]", "1"]
    ),
    (
      #"{"properties": {"a": {"type": "integer"}}, "required": ["a"], "additionalProperties": false}"#,
      [#"{"a": 1}"#, "5"], ["{}", #"{"a": "1"}"#, #"{"a": 1, "b": 2}"#]
    ),
    (
      #"{"type": "object", "additionalProperties": {"type": "number"}}"#, ["{}", #"{"x": 1.5}"#],
      [#"{"x": "1"}"#]
    ),
    (#"{"type": "object", "additionalProperties": true}"#, [#"{"x": "1"}"#], ["[]"]),
    (#"{"anyOf": [{"type": "null"}, {"minimum": 5}]}"#, ["null", "5"], ["4"]),
    (#"{"$ref": "t.json"}"#, ["1"], ["\"1\""]),
    (#"{"$ref": "t.json#/$defs/name", "minLength": 2}"#, ["\"ab\""], ["\"a\"", "12"]),
    (##"{"$ref": "#/$defs/own", "$defs": {"own": {"const": 1}}}"##, ["1"], ["2"]),
  ]

  @Test(arguments: values.indices) func whatDoesNotFitIsSeen(index: Int) throws {
    let (schema, fits, doesNot) = Self.values[index]
    let folder = try folder(schema)
    for text in fits { #expect(folder.judge(try JSONNode(text), by: "s").faults == [], "\(text)") }
    for text in doesNot { #expect(folder.judge(try JSONNode(text), by: "s").faults != [], "\(text)") }
  }

  @Test(arguments: [
    #"{"properties": {"a": {"format": "uri"}}}"#, #"{"typ": "integer"}"#, #"{"type": "int"}"#,
    #"{"type": []}"#,
    #"{"items": {"anyOf": [{"oneOf": []}]}}"#, #"{"$defs": {"x": {"nullable": true}}}"#, #"{"anyOf": []}"#,
    #"{"additionalProperties": {"x": 1}}"#, #"{"required": ["a"], "properties": {}}"#, #"{"minimum": "1"}"#,
    #"{"$ref": "gone.json"}"#, ##"{"$ref": "#/$defs/gone"}"##, #"{"pattern": "("}"#, #"{"description": ""}"#,
    #"{"multipleOf": 0}"#, #"{"minLength": 1.5}"#, #"{"$schema": "http://json-schema.org/draft-07/schema#"}"#,
    "[]", "true",
  ])
  func whatItDoesNotUnderstandIsRefused(schema: String) {
    #expect(throws: SchemaFolder.Mistake.self) { try folder(schema) }
  }

  @Test func faultsSayWhere() throws {
    let folder = try folder(
      #"{"properties": {"a": {"items": {"type": "null"}}, "b": {}}, "required": ["b"], "additionalProperties": true}"#
    )
    let verdict = folder.judge(try JSONNode(#"{"a": [null, 1], "c": 2}"#), by: "s", isClosed: true)
    #expect(
      verdict.faults == [
        "/a/1: does not fit s.json#/properties/a/items/type", "/b: is missing",
        "/c: is not described in s.json#",
      ])
    // An open object takes what is not described, unless somebody asks.
    #expect(folder.judge(try JSONNode(#"{"b": 1, "c": 2}"#), by: "s").faults == [])
    #expect(folder.judge(.null, by: "gone").faults == ["there is no schema gone.json#"])
  }

  @Test func membersThatNothingShowsAreNamed() throws {
    let folder = try SchemaFolder([
      "s.json": #"{"type": "array", "items": {"anyOf": [{"$ref": "o.json"}, {"type": "null"}]}}"#,
      "o.json":
        #"{"properties": {"a": {}, "b": {}, "c": {}, "d": {"properties": {"e": {}}}}, "required": ["a", "b"]}"#,
    ])
    var use = SchemaUse()
    use.add(folder.judge(try JSONNode(#"[{"a": 1, "b": null, "c": 3}, null]"#), by: "s").use)
    #expect(
      folder.gaps(in: "s", use) == [
        "o.json#/properties/b: was never more than null",
        "o.json#/properties/c: was always there, so it must be required",
        "o.json#/properties/d: was never there", "o.json#/properties/d/properties/e: was never there",
      ])
    use.add(
      folder.judge(try JSONNode(#"[{"a": null, "b": 2, "d": {"e": 5}}, {"a": 1, "b": 1}]"#), by: "s").use)
    #expect(
      folder.gaps(in: "s", use) == [
        "o.json#/properties/d/properties/e: was always there, so it must be required"
      ])
  }
}
