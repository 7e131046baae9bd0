import Configuration
import Foundation
import TestSupport
import Testing

/// Parses as "f.yaml".
func parse(_ text: String, limits: YAMLLimits = YAMLLimits()) throws(YAMLError) -> YAMLNode {
  try YAMLDocument(parsing: text, file: "f.yaml", limits: limits).root
}

func at(_ line: Int, _ column: Int) -> YAMLPosition {
  YAMLPosition(file: "f.yaml", line: line, column: column)
}

@Suite struct YAMLDocumentTests {
  @Test func everyNodeHasItsPlace() throws {
    let root = try parse("# remark\na: 1\nlist:\n  - é: x\n    ü: [y,  z]\n")
    guard case .mapping(let entries) = root.content else {
      Issue.record("no mapping")
      return
    }
    #expect(entries.map(\.key) == ["a", "list"])
    #expect(entries.map(\.position) == [at(2, 1), at(3, 1)])
    #expect(entries[0].value.position == at(2, 4))
    let items = try entries[1].value.sequence("list")
    #expect(items[0].position == at(4, 5))
    let map = try items[0].mapping("item", keys: ["é", "ü"])
    #expect(map.entries[0].value.position == at(4, 8))
    // Columns count characters, not bytes.
    #expect(map["ü"]?.position == at(5, 8))
    #expect(try map.sequence("ü").map(\.position) == [at(5, 9), at(5, 13)])
  }

  @Test func allStylesOfText() throws {
    let root = try parse(
      "- plain words\n- 'it''s'\n- \"a\\n\\u00e9\"\n- |\n  two\n  lines\n- >\n  folded\n  text\n")
    let texts = try root.sequence("root").map { try $0.string("item") }
    #expect(texts == ["plain words", "it's", "a\né", "two\nlines\n", "folded text\n"])
  }

  @Test func aByteOrderMarkIsNoTrouble() throws {
    #expect(try parse("\u{FEFF}a: 1").mapping("root", keys: ["a"]).int("a") == 1)
  }

  @Test(arguments: [
    ("a: [1, 2\nb: 3\n", 2, 2), ("a: b: c\n", 1, 5), ("a: 'x\n", 2, 1), ("\tkey: x", 1, 1),
    ("a: %x\nb: @y\n", 1, 4), ("a: 1\n b: 2\n", 2, 3), ("a: \"\\q\"\n", 1, 5), ("é: ü\u{1}\n", 1, 5),
  ])
  func syntaxErrorsHaveTheirPlace(text: String, line: Int, column: Int) {
    #expect {
      try parse(text)
    } throws: { error in
      guard case .syntax(let position, _)? = error as? YAMLError else { return false }
      return position == at(line, column)
    }
  }

  @Test func bytesThatAreNotUTF8HaveTheirPlace() {
    let bytes = Array("a: é\nb: x".utf8) + [0xFF, 0x0A]
    #expect(throws: YAMLError.notUTF8(at(2, 5))) { try YAMLDocument(parsing: bytes, file: "f.yaml") }
    let utf16: [UInt8] = [0xFF, 0xFE, 0x61, 0, 0x3A, 0, 0x20, 0, 0x31, 0]
    #expect(throws: YAMLError.notUTF8(at(1, 1))) { try YAMLDocument(parsing: utf16, file: "f.yaml") }
  }

  @Test func nothingAndTwoDocumentsAreRefused() {
    #expect(throws: YAMLError.empty(file: "f.yaml")) { try parse("") }
    #expect(throws: YAMLError.empty(file: "f.yaml")) { try parse("# only a remark\n") }
    #expect(throws: YAMLError.secondDocument(at(2, 1))) { try parse("a: 1\n---\nb: 2\n") }
  }

  @Test func duplicateKeysAreRefused() {
    #expect(throws: YAMLError.duplicateKey(at(3, 1), key: "a", firstLine: 1)) {
      try parse("a: 1\nb: 2\n'a': 3\n")
    }
    #expect(throws: Never.self) { try parse("- {a: 1}\n- {a: 2}\n") }
  }

  @Test func keysMustBePlainlyText() {
    #expect(throws: YAMLError.keyNotText(at(1, 1))) { try parse("[a]: 1") }
    #expect(throws: YAMLError.keyNotText(at(1, 3))) { try parse("? {a: 1}\n: 2\n") }
    #expect(throws: YAMLError.mergeKey(at(3, 3))) { try parse("a: &a {x: 1}\nb:\n  <<: *a\n") }
  }

  @Test func tagsAreCoreOrRefused() throws {
    let tag = "tag:yaml.org,2002:python/object/apply:os.system"
    #expect(throws: YAMLError.unsupportedTag(at(1, 4), tag: tag)) {
      try parse("a: !!python/object/apply:os.system ['true']")
    }
    #expect(throws: YAMLError.unsupportedTag(at(1, 1), tag: "!x")) { try parse("!x y") }
    let root = try parse("[!!str 5, !!int \"5\", ! no, !!seq [], !!map {}]").sequence("root")
    #expect(try root[0].string("s") == "5")
    #expect(try root[1].int("i") == 5)
    #expect(try root[2].string("n") == "no")
  }

  @Test func aliasesRepeatAndKeepTheirPlace() throws {
    let map = try parse("a: &x [1, 2]\nb: *x\n").mapping("root", keys: ["a", "b"])
    #expect(map["b"]?.position == at(2, 4))
    #expect(try map.sequence("b").map { try $0.int("n") } == [1, 2])
    #expect(throws: YAMLError.unknownAlias(at(1, 4), name: "x")) { try parse("a: *x") }
    #expect(throws: YAMLError.unknownAlias(at(1, 8), name: "x")) { try parse("a: &x [*x]") }
  }

  @Test func filesAreReadAndRefusedByName() throws {
    let folder = try TemporaryFolder()
    let path = try folder.write("x.yaml", "a: 1")
    #expect(try YAMLDocument(reading: path).root.position.file == path)
    #expect(throws: YAMLError.tooManyBytes(file: path, bytes: 4, limit: 3)) {
      try YAMLDocument(reading: path, limits: YAMLLimits(bytes: 3))
    }
    #expect(throws: YAMLError.unreadable(file: "/none/x.yaml", code: ENOENT)) {
      try YAMLDocument(reading: "/none/x.yaml")
    }
    #expect(throws: YAMLError.unreadable(file: "/", code: EISDIR)) { try YAMLDocument(reading: "/") }
    #expect(throws: YAMLError.unreadable(file: "/dev/zero", code: EINVAL)) {
      try YAMLDocument(reading: "/dev/zero")
    }
  }
}
