import Images
import Testing

@Suite struct LabelTextTests {
  @Test(arguments: [
    ("a red fox", 20, 2, ["a red fox"]),
    ("a red fox in the snow", 9, 3, ["a red fox", "in the", "snow"]),
    ("a red fox in the snow", 9, 2, ["a red fox", "in the..."]),
    ("pneumonoultramicroscopic", 10, 3, ["pneumonoul", "tramicrosc", "opic"]),
    ("two\nlines\tand  spaces", 40, 2, ["two lines and spaces"]),
    ("", 10, 2, []), ("   ", 10, 2, []), ("abcdefgh", 1, 1, ["a..."]),
  ])
  func textIsBrokenBetweenWords(text: String, columns: Int, lines: Int, wanted: [String]) {
    #expect(LabelText.wrapped(text, columns: columns, lines: lines) == wanted)
  }

  @Test(arguments: [
    ("Ünïcödé", "Unicode"), ("straße, Łódź, smørrebrød", "strasse, Lodz, smorrebrod"),
    ("“a” – ‘b’…", "\"a\" - 'b'..."), ("2×1", "2x1"), ("漢字", "\u{7F}\u{7F}"), ("ＡＢ", "AB"),
    ("a\u{1B}[31mb\u{200B}c", "a[31mbc"),
  ])
  func othersAreSpeltInASCII(text: String, wanted: String) { #expect(LabelText.latin(text) == wanted) }

  @Test func everyLetterHasAShapeOfItsOwn() {
    let letters = (0x20...0x7F).compactMap { Unicode.Scalar($0).map(Character.init) }
    let shapes = letters.map(BitmapFont.rows)
    #expect(Set(shapes).count == 96)
    #expect(shapes.allSatisfy { $0.count == 9 && $0.allSatisfy { $0 < 32 } })
    #expect(shapes[0].allSatisfy { $0 == 0 } && shapes.dropFirst().allSatisfy { $0.contains { $0 != 0 } })
    // What the font has no letter for is the box.
    #expect(BitmapFont.rows(of: "漢") == shapes[95] && BitmapFont.rows(of: "\n") == shapes[95])
  }

  /// A long prompt costs no more than its beginning.
  @Test func longTextsAreCut() {
    let lines = LabelText.wrapped(String(repeating: "word ", count: 1_000_000), columns: 20, lines: 3)
    #expect(lines.count == 3 && lines.allSatisfy { $0.count <= 20 } && lines[2].hasSuffix("..."))
  }
}
