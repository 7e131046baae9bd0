/// Many pictures on one white page.
package struct ContactSheet: Sendable {
  /// Pictures in a row; nil makes the page about square.
  package var columns: Int?
  /// White pixels around and between the pictures.
  package var margin: Int

  /// A layout. A margin below 0 counts as 0, columns below 1 as 1.
  package init(columns: Int? = nil, margin: Int = 8) {
    self.columns = columns.map { max(1, $0) }
    self.margin = max(0, margin)
  }

  /// The page. All cells have the size of the largest picture. They are filled row by row, with each picture in the
  /// middle of its cell.
  /// - Throws: `ImageError` if there are no pictures or the page is beyond `limits`.
  package func page(of images: [RGBImage], limits: PNGLimits = PNGLimits()) throws -> RGBImage {
    guard let cellWidth = images.map(\.width).max(), let cellHeight = images.map(\.height).max() else {
      throw ImageError.noImages
    }
    let columns = min(self.columns ?? ContactSheet.squareColumns(images.count), images.count)
    let rows = (images.count + columns - 1) / columns
    let width = margin + columns * (cellWidth + margin)
    let height = margin + rows * (cellHeight + margin)
    guard width <= limits.side, height <= limits.side, width * height <= limits.pixels else {
      throw ImageError.tooLarge(name: "contact sheet", width: width, height: height, limits: limits)
    }
    var page = try RGBImage(width: width, height: height, red: 255, green: 255, blue: 255)
    for (index, image) in images.enumerated() {
      let x = margin + index % columns * (cellWidth + margin) + (cellWidth - image.width) / 2
      let y = margin + index / columns * (cellHeight + margin) + (cellHeight - image.height) / 2
      page.place(image, x: x, y: y)
    }
    return page
  }

  /// The columns of a page that is about square.
  static func squareColumns(_ count: Int) -> Int {
    var columns = 1
    while columns * columns < count { columns += 1 }
    return columns
  }
}
