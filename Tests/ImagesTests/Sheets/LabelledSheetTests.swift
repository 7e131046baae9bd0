import Foundation
import Images
import TestSupport
import Testing

@Suite struct LabelledSheetTests {
  private let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  /// A file with a picture of one grey.
  private func picture(_ level: UInt8, width: Int = 100, height: Int = 60) throws
    -> LabelledSheet.Cell.Content
  {
    let path = folder.file("\(level).png")
    try PNGFile.write(
      RGBImage(width: width, height: height, red: level, green: level, blue: level), to: path)
    return .picture(path: path)
  }

  /// The rectangle that the pixels of a colour span.
  private func area(_ page: RGBImage, _ color: RGBColor) -> (x: ClosedRange<Int>, y: ClosedRange<Int>)? {
    var (columns, rows): ([Int], [Int]) = ([], [])
    for y in 0..<page.height {
      for x in 0..<page.width where page.color(x: x, y: y) == color {
        columns.append(x)
        rows.append(y)
      }
    }
    guard let left = columns.min(), let right = columns.max(), let top = rows.min(), let bottom = rows.max()
    else { return nil }
    return (left...right, top...bottom)
  }

  private func grey(_ level: UInt8) -> RGBColor { RGBColor(level, level, level) }

  /// Where a text is written on a page, at a scale of 1.
  private func places(of text: String, on page: RGBImage, in color: RGBColor = RGBColor(0, 0, 0)) -> [(
    x: Int, y: Int
  )] {
    var dots: [(x: Int, y: Int)] = []
    for (place, letter) in text.enumerated() {
      for (row, bits) in BitmapFont.rows(of: letter).enumerated() {
        for column in 0..<5 where bits >> (4 - column) & 1 == 1 {
          dots.append((place * BitmapFont.advance + column, row))
        }
      }
    }
    var found: [(x: Int, y: Int)] = []
    for y in 0..<max(0, page.height - 9) {
      for x in 0..<max(0, page.width - text.count * BitmapFont.advance)
      where dots.allSatisfy({ page.color(x: x + $0.x, y: y + $0.y) == color }) { found.append((x, y)) }
    }
    return found
  }

  @Test func aTableHasHeadsAndLabels() throws {
    let sheet = LabelledSheet(
      rows: [
        [.init(try picture(10), label: "seed 1"), .init(try picture(20), label: "seed 2")],
        [
          .init(try picture(30), label: "seed 3"),
          .init(try picture(40, width: 50, height: 50), label: "seed 4"),
        ],
      ], rowHeaders: ["fox", "tiger"], columnHeaders: ["base", "4x2"])
    let page = try sheet.page()
    #expect(page.unreadable.isEmpty)
    let areas = try [10, 20, 30, 40].map { try #require(area(page.image, grey($0))) }
    #expect(
      areas[0].x == areas[2].x && areas[0].y == areas[1].y && areas[2].y.lowerBound > areas[0].y.upperBound)
    #expect(areas[0].x.count == 100 && areas[0].y.count == 60 && areas[3].x.count == 50)
    // The small one is in the middle of its place.
    #expect(
      areas[3].x.lowerBound - areas[1].x.lowerBound == 25
        && areas[3].y.lowerBound - areas[2].y.lowerBound == 5)
    // Every text is where it belongs: heads above and at the left, labels below.
    let base = try #require(places(of: "base", on: page.image).first)
    #expect(base.x == areas[0].x.lowerBound && base.y + 9 < areas[0].y.lowerBound)
    let tiger = try #require(places(of: "tiger", on: page.image).first)
    #expect(tiger.x + 30 <= areas[2].x.lowerBound && tiger.y == areas[2].y.lowerBound)
    for (index, area) in areas.enumerated() where index < 3 {
      let label = try #require(places(of: "seed \(index + 1)", on: page.image).first)
      #expect(label.x == area.x.lowerBound && label.y > area.y.upperBound && label.y < area.y.upperBound + 9)
    }
    #expect(places(of: "4x2", on: page.image).count == 1 && places(of: "lion", on: page.image).isEmpty)
  }

  @Test func whatIsNotThereSaysWhy() throws {
    try folder.write("damaged.png", "no picture")
    let whole = try picture(10)
    // Its head is right, and its pixels are cut off.
    let cut = folder.file("cut.png")
    try PNGFile.write(RGBImage(width: 100, height: 60, red: 9, green: 77, blue: 9), to: cut)
    try folder.write("cut.png", [UInt8](try Data(contentsOf: URL(fileURLWithPath: cut)).prefix(60)))
    let sheet = LabelledSheet(cells: [
      .init(whole, label: "a"), .init(.missing(reason: "cancelled"), label: "b"),
      .init(.picture(path: folder.file("damaged.png"))), .init(.picture(path: folder.file("gone.png"))),
      .init(.picture(path: cut)), .init(.nothing),
    ])
    let page = try sheet.page()
    let names = page.unreadable.map { "\($0)" }.sorted()
    #expect(names.count == 3, "\(names)")
    for name in ["cut.png", "damaged.png", "gone.png"] {
      #expect(names.contains { $0.hasPrefix(folder.file(name)) }, "\(name): \(names)")
    }
    let ink = RGBColor(150, 30, 30)
    #expect(places(of: "cancelled", on: page.image, in: ink).count == 1)
    #expect(places(of: "the file is gone", on: page.image, in: ink).count == 3)
    #expect(area(page.image, RGBColor(9, 77, 9)) == nil)
  }

  @Test func withoutAPictureThereIsNoSheet() throws {
    #expect(throws: ImageError.noImages) { try LabelledSheet(cells: []).page() }
    #expect(throws: ImageError.noImages) {
      try LabelledSheet(cells: [.init(.missing(reason: "queued"))]).page()
    }
    #expect(throws: ImageError.unreadable(path: folder.file("gone.png"), code: 2)) {
      try LabelledSheet(cells: [.init(.picture(path: folder.file("gone.png")))]).page()
    }
  }

  @Test func aPageThatIsTooLargeHasSmallerPictures() throws {
    let cells = try (0..<9).map {
      LabelledSheet.Cell(try picture(UInt8(10 + $0), width: 400, height: 400), label: "seed")
    }
    let whole = try LabelledSheet(cells: cells).page().image
    #expect(whole.width > 1200)
    let small = try LabelledSheet(cells: cells).page(limits: PNGLimits(side: 700)).image
    #expect(small.width <= 700 && small.height <= 700)
    let areas = try (0..<9).map { try #require(area(small, grey(UInt8(10 + $0)))) }
    #expect(areas.allSatisfy { $0.x.count == areas[0].x.count && abs($0.x.count - $0.y.count) <= 1 })
    #expect(areas[0].x.count > 150)
    // A row of nine places is too wide, however small the pictures.
    #expect {
      try LabelledSheet(rows: [cells]).page(limits: PNGLimits(side: 700))
    } throws: { error in
      if case .tooLarge? = error as? ImageError { true } else { false }
    }
  }
}
