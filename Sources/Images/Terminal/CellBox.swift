/// The part of a terminal that a picture may take.
package struct CellBox: Sendable, Equatable {
  /// The most columns, at least 1.
  package let columns: Int
  /// The most rows, at least 1.
  package let rows: Int
  /// Pixels of a cell.
  package let cellWidth: Int
  /// Pixels of a cell.
  package let cellHeight: Int
  /// Whether a small picture is shown larger than it is.
  package let mayEnlarge: Bool

  /// A box. Numbers that no terminal has are brought into range.
  /// - Parameters:
  ///   - columns: the most columns.
  ///   - rows: the most rows.
  ///   - cellWidth: pixels; without a better answer, a cell is twice as tall as wide.
  ///   - cellHeight: pixels.
  ///   - mayEnlarge: whether a small picture is shown larger than it is.
  package init(
    columns: Int, rows: Int, cellWidth: Int = 8, cellHeight: Int = 16, mayEnlarge: Bool = false
  ) {
    self.mayEnlarge = mayEnlarge
    self.columns = min(max(1, columns), 1000)
    self.rows = min(max(1, rows), 1000)
    self.cellWidth = min(max(1, cellWidth), 200)
    self.cellHeight = min(max(1, cellHeight), 200)
  }

  /// The same place in cells of two pixels, one above the other: those of half blocks.
  var halved: CellBox {
    CellBox(columns: columns, rows: rows, cellWidth: 1, cellHeight: 2, mayEnlarge: mayEnlarge)
  }

  /// The picture at the largest size that fits.
  /// - Throws: `ImageError`
  func fitted(_ image: RGBImage) throws(ImageError) -> RGBImage {
    let scale = min(
      mayEnlarge ? .infinity : 1, Double(columns * cellWidth) / Double(image.width),
      Double(rows * cellHeight) / Double(image.height))
    return try image.resized(
      width: max(1, Int((Double(image.width) * scale).rounded())),
      height: max(1, Int((Double(image.height) * scale).rounded())))
  }

  /// The rows that so many pixels take.
  func rows(pixels: Int) -> Int { (pixels + cellHeight - 1) / cellHeight }

  /// The columns that so many pixels take.
  func columns(pixels: Int) -> Int { (pixels + cellWidth - 1) / cellWidth }
}
