import Foundation

/// Kitty's graphics protocol: a PNG in pieces, shown where the cursor is.
enum KittyGraphics {
  /// The most letters in a piece.
  private static let piece = 4096

  /// The cursor stays (`C=1`), and the terminal answers nothing (`q=2`): nobody would read it.
  static func text(_ png: [UInt8], name: UInt32?) -> String {
    let payload = Array(Data(png).base64EncodedString().utf8)
    var text = ""
    for start in stride(from: 0, to: payload.count, by: piece) {
      let end = min(start + piece, payload.count)
      let keys = start == 0 ? "a=T,f=100,C=1,q=2,\(name.map { "i=\($0)," } ?? "")m=" : "m="
      text += "\u{1B}_G\(keys)\(end < payload.count ? 1 : 0);"
      text += String(decoding: payload[start..<end], as: UTF8.self) + "\u{1B}\\"
    }
    return text
  }

  /// Pictures are drawn above the text, so writing over them would not take them away.
  static func erasure(of name: UInt32) -> String { "\u{1B}_Ga=d,d=I,i=\(name),q=2\u{1B}\\" }
}
