import Boundary
import Testing

@Suite struct PlainTextTests {
  @Test(arguments: [
    ("red heart", "red heart"), ("a\nb\r\tc", #"a\nb\r\tc"#),
    ("\u{1B}[2J\u{9B}31m", #"\u{1B}[2J\u{009B}31m"#),
    ("\u{202E}gnp.exe\u{2066}", #"\u{202E}gnp.exe\u{2066}"#), ("a\u{2028}b\u{2029}", #"a\u{2028}b\u{2029}"#),
    ("\u{0}\u{7F}\u{FEFF}\u{200B}\u{E000}", #"\0\u{7F}\u{FEFF}\u{200B}\u{E000}"#),
    ("Grüße 世界 👩‍🚀 e\u{301}", "Grüße 世界 👩‍🚀 e\u{301}"), (#"C:\new "q" 'x'"#, #"C:\new "q" 'x'"#),
  ])
  func unprintableCharactersAreWrittenOut(text: String, line: String) {
    #expect(PlainText.line(text).unicodeScalars.elementsEqual(line.unicodeScalars))
  }

  /// What a message is about stands at its beginning, what mends it at its end.
  @Test func ofALongTextBothEndsStay() {
    let line = PlainText.line("lora " + String(repeating: "x", count: 1_000_000) + ": check the path")
    #expect(line.utf8.count <= PlainText.limit)
    #expect(line.hasPrefix("lora xxx") && line.hasSuffix("xxx: check the path"))
    #expect(line.contains("(1000021 bytes in all)"))
  }

  @Test(arguments: ["x", "é", "世", "👩‍🚀", "\u{1B}", "\u{202E}", "e\u{301}", "\u{10FFFF}", "\r\n"], 95...105)
  func theResultIsBoundedWholeAndStaysAsItIs(piece: String, count: Int) {
    for count in [count, count * 100] {
      let line = PlainText.line(String(repeating: piece, count: count), limit: 300)
      #expect(line.utf8.count <= 300)
      #expect(!line.unicodeScalars.contains("\u{FFFD}"))
      #expect(PlainText.line(line, limit: 300).unicodeScalars.elementsEqual(line.unicodeScalars))
    }
  }
}
