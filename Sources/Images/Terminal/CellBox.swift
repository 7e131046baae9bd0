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

  /// A box. Numbers that no terminal has are brought into range.
  /// - Parameters:
  ///   - columns: the most columns.
  ///   - rows: the most rows.
  ///   - cellWidth: pixels; without a better answer, a cell is twice as tall as wide.
  ///   - cellHeight: pixels.
  package init(columns: Int, rows: Int, cellWidth: Int = 8, cellHeight: Int = 16) {
    self.columns = min(max(1, columns), 1000)
    self.rows = min(max(1, rows), 1000)
    self.cellWidth = min(max(1, cellWidth), 200)
    self.cellHeight = min(max(1, cellHeight), 200)
  }

  /// The picture at the largest size that fits, but never larger than it is.
  /// - Throws: `ImageError`
  func fitted(_ image: RGBImage) throws(ImageError) -> RGBImage {
    let scale = min(
      1, Double(columns * cellWidth) / Double(image.width), Double(rows * cellHeight) / Double(image.height))
    return try image.resized(
      width: max(1, Int((Double(image.width) * scale).rounded())),
      height: max(1, Int((Double(image.height) * scale).rounded())))
  }

  /// The rows that so many pixels take.
  func rows(pixels: Int) -> Int { (pixels + cellHeight - 1) / cellHeight }

  /// The columns that so many pixels take.
  func columns(pixels: Int) -> Int { (pixels + cellWidth - 1) / cellWidth }
}
