extension RGBImage {
  /// Writes lines of text, one below the other.
  /// - Parameters:
  ///   - lines: letters that `BitmapFont` has; others are boxes.
  ///   - x: the left edge of the first letter.
  ///   - y: the top of the first line.
  ///   - scale: pixels of the picture for one of the font.
  ///   - color: of the letters; what is between them stays.
  mutating func write(_ lines: [String], x: Int, y: Int, scale: Int, color: RGBColor = .black) {
    for (number, line) in lines.enumerated() {
      for (place, letter) in line.enumerated() {
        for (row, bits) in BitmapFont.rows(of: letter).enumerated() {
          for column in 0..<5 where bits >> (4 - column) & 1 == 1 {
            fill(
              x: x + (place * BitmapFont.advance + column) * scale,
              y: y + (number * BitmapFont.lineHeight + row) * scale, width: scale, height: scale, with: color)
          }
        }
      }
    }
  }
}
