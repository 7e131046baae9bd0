/// A picture as the text that makes a terminal show it.
///
/// The cursor begins at the start of a line, and ends at the start of the line below the picture. The same text a
/// second time, with the cursor brought back, covers the picture.
package struct TerminalPicture: Sendable, Equatable {
  /// Escape sequences and all.
  package let text: String
  /// The lines that it takes.
  package let rows: Int

  /// - Parameters:
  ///   - image: the picture, of any size.
  ///   - box: where it must fit in.
  ///   - way: what the terminal understands.
  ///   - hasTrueColor: whether half blocks may have any colour, or only the 256 that nearly every terminal has.
  ///   - name: a number for `erasure`; nil: the picture stays until it is scrolled away.
  /// - Throws: `ImageError`
  package init(
    _ image: RGBImage, in box: CellBox, by way: TerminalProtocol, hasTrueColor: Bool = true,
    name: UInt32? = nil
  ) throws(ImageError) {
    if way == .blocks {
      let small = try box.halved.fitted(image)
      text = HalfBlocks.text(small, hasTrueColor: hasTrueColor)
      rows = (small.height + 1) / 2
      return
    }
    let small = try box.fitted(image)
    rows = box.rows(pixels: small.height)
    let picture =
      switch way {
      case .kitty: KittyGraphics.text(try PNGFile.encode(small), name: name)
      case .iterm2:
        InlineImage.text(try PNGFile.encode(small), columns: box.columns(pixels: small.width), rows: rows)
      case .sixel, .blocks: Sixel.text(small)
      }
    // Terminals differ in where a picture leaves the cursor, and whether one at the lower edge scrolls. So there are
    // empty lines first, and the cursor is put back.
    let room = String(repeating: "\u{1B}[K\n", count: rows)
    text = "\(room)\u{1B}[\(rows)A\u{1B}7\(picture)\u{1B}8\u{1B}[\(rows)B\r"
  }

  /// Takes a picture away that text would not cover; nothing where text covers all.
  /// - Parameters:
  ///   - name: the number that it was shown by.
  ///   - way: as it was shown.
  package static func erasure(of name: UInt32, by way: TerminalProtocol) -> String {
    way == .kitty ? KittyGraphics.erasure(of: name) : ""
  }
}
