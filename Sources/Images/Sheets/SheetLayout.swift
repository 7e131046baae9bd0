/// Where everything of a `LabelledSheet` is on its page, in pixels.
struct SheetLayout {
  /// The whole page.
  let width: Int
  let height: Int

  /// Pixels of the page for one of the font.
  private let scale: Int
  /// The room for each picture.
  private let cellWidth: Int
  private let cellHeight: Int
  /// What pictures are multiplied by, at most 1.
  private let share: Double
  private let margin: Int
  /// Where the first column and the first row of pictures begin.
  private let left: Int
  private let tops: [Int]
  private let rowHeads: [[String]]
  private let columnHeads: [[String]]
  /// The lines below each picture.
  private let labels: [[[String]]]

  /// Even a tiny picture has a place that some words fit in.
  private static let leastWidth = 96
  /// Pictures on a page are not made smaller than this.
  private static let leastPicture = 16.0
  private static let mostHeadLines = 6
  private static let mostLabelLines = 4

  private static let ink = RGBColor(150, 30, 30)
  private static let blank = RGBColor(238, 238, 238)

  /// The layout in which pictures are as large as the limits let them be.
  /// - Parameters:
  ///   - sheet: what goes on the page.
  ///   - pictureWidth: of the widest picture.
  ///   - pictureHeight: of the tallest one.
  ///   - limits: of the page.
  /// - Throws: `ImageError.tooLarge`
  init(
    _ sheet: LabelledSheet, pictureWidth: Int, pictureHeight: Int, limits: PNGLimits
  ) throws(ImageError) {
    var share = 1.0
    while true {
      let layout = SheetLayout(sheet, pictureWidth: pictureWidth, pictureHeight: pictureHeight, share: share)
      let (width, height) = (layout.width, layout.height)
      if width <= limits.side, height <= limits.side, width * height <= limits.pixels {
        self = layout
        return
      }
      share *= 0.9
      guard share * Double(max(pictureWidth, pictureHeight)) >= Self.leastPicture else {
        throw .tooLarge(name: "the sheet", width: width, height: height, limits: limits)
      }
    }
  }

  private init(_ sheet: LabelledSheet, pictureWidth: Int, pictureHeight: Int, share: Double) {
    func scaled(_ side: Int) -> Int { max(1, Int((Double(side) * share).rounded())) }
    self.share = share
    cellWidth = max(Self.leastWidth, scaled(pictureWidth))
    cellHeight = scaled(pictureHeight)
    scale = cellWidth >= 768 ? 3 : cellWidth >= 256 ? 2 : 1
    margin = 6 * scale
    let letters = cellWidth / (BitmapFont.advance * scale)
    let line = BitmapFont.lineHeight * scale
    columnHeads = sheet.columnHeaders.map {
      LabelText.wrapped($0, columns: letters, lines: Self.mostHeadLines)
    }
    rowHeads = sheet.rowHeaders.map { LabelText.wrapped($0, columns: letters, lines: Self.mostHeadLines) }
    labels = sheet.rows.map { cells in
      cells.map { LabelText.wrapped($0.label, columns: letters, lines: Self.mostLabelLines) }
    }
    // Short heads, such as numbers, need little room.
    let widest = rowHeads.joined().map(\.count).max() ?? 0
    left = margin + (widest > 0 ? widest * BitmapFont.advance * scale + margin : 0)
    let headLines = columnHeads.map(\.count).max() ?? 0
    var top = margin + (headLines > 0 ? headLines * line + margin / 2 : 0)
    var tops: [Int] = []
    for (row, labels) in labels.enumerated() {
      tops.append(top)
      let below = (labels.map(\.count).max() ?? 0) * line
      let beside = (rowHeads.indices.contains(row) ? rowHeads[row].count : 0) * line
      top += max(cellHeight + (below > 0 ? below + margin / 2 : 0), beside) + margin
    }
    self.tops = tops
    height = top
    let columns = max(1, sheet.columnHeaders.count, sheet.rows.map(\.count).max() ?? 0)
    width = left + columns * (cellWidth + margin)
  }

  private func x(_ column: Int) -> Int { left + column * (cellWidth + margin) }

  func drawHeads(on page: inout RGBImage) {
    for (column, lines) in columnHeads.enumerated() {
      page.write(lines, x: x(column), y: margin, scale: scale)
    }
    for (row, lines) in rowHeads.enumerated() where tops.indices.contains(row) {
      page.write(lines, x: margin, y: tops[row], scale: scale)
    }
  }

  /// Puts a picture into the middle of its place.
  /// - Throws: `ImageError`
  func draw(_ picture: RGBImage, row: Int, column: Int, on page: inout RGBImage) throws(ImageError) {
    // It may have been replaced since its size was read.
    let fit = min(
      share, Double(cellWidth) / Double(picture.width), Double(cellHeight) / Double(picture.height))
    let small = try picture.resized(
      width: max(1, Int((Double(picture.width) * fit).rounded())),
      height: max(1, Int((Double(picture.height) * fit).rounded())))
    page.place(
      small, x: x(column) + (cellWidth - small.width) / 2, y: tops[row] + (cellHeight - small.height) / 2)
  }

  /// Says in the place of a picture why there is none.
  func draw(reason: String, row: Int, column: Int, on page: inout RGBImage) {
    page.fill(x: x(column), y: tops[row], width: cellWidth, height: cellHeight, with: Self.blank)
    let inset = 2 * scale
    let lines = LabelText.wrapped(
      reason, columns: (cellWidth - 2 * inset) / (BitmapFont.advance * scale),
      lines: (cellHeight - inset) / (BitmapFont.lineHeight * scale))
    page.write(lines, x: x(column) + inset, y: tops[row] + inset, scale: scale, color: Self.ink)
  }

  func drawLabel(row: Int, column: Int, on page: inout RGBImage) {
    page.write(labels[row][column], x: x(column), y: tops[row] + cellHeight + margin / 2, scale: scale)
  }
}
