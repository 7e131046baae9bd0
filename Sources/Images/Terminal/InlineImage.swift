import Foundation

/// An inline image of iTerm2, which WezTerm and mintty show too: a PNG in one piece.
enum InlineImage {
  /// - Parameters:
  ///   - png: the file.
  ///   - columns: the cells that it takes.
  ///   - rows: the cells that it takes.
  static func text(_ png: [UInt8], columns: Int, rows: Int) -> String {
    let keys = "inline=1;size=\(png.count);width=\(columns);height=\(rows);preserveAspectRatio=1"
    return "\u{1B}]1337;File=\(keys):\(Data(png).base64EncodedString())\u{7}"
  }
}
