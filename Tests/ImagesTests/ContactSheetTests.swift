import Images
import Testing

@Suite struct ContactSheetTests {
  func square(_ side: Int, _ level: UInt8) throws -> RGBImage {
    try RGBImage(width: side, height: side, red: level, green: level, blue: level)
  }

  func level(_ image: RGBImage, _ x: Int, _ y: Int) -> UInt8 { image.pixels[(y * image.width + x) * 3] }

  @Test func cellsAreFilledRowByRow() throws {
    let page = try ContactSheet(columns: 2, margin: 3).page(of: [square(4, 10), square(4, 20), square(2, 30)])
    #expect(page.width == 17 && page.height == 17)
    #expect(level(page, 0, 0) == 255)
    #expect(level(page, 3, 3) == 10 && level(page, 6, 6) == 10 && level(page, 7, 3) == 255)
    #expect(level(page, 10, 3) == 20)
    // The small one stands in the middle of its cell.
    #expect(level(page, 3, 10) == 255 && level(page, 4, 11) == 30 && level(page, 5, 12) == 30)
    #expect(level(page, 11, 11) == 255)
  }

  @Test func withoutColumnsThePageIsAboutSquare() throws {
    let page = try ContactSheet(margin: 0).page(of: (0..<7).map { try square(2, UInt8($0)) })
    #expect(page.width == 6 && page.height == 6)
  }

  @Test func nothingAndTooMuchAreRefused() throws {
    #expect(throws: ImageError.noImages) { try ContactSheet().page(of: []) }
    #expect(throws: ImageError.self) {
      try ContactSheet(columns: 2).page(of: [square(64, 0), square(64, 0)], limits: PNGLimits(side: 100))
    }
  }

  @Test func placingCutsOffWhatLiesOutside() throws {
    var page = try square(4, 255)
    page.place(try square(4, 1), x: -2, y: 3)
    #expect(level(page, 0, 3) == 1 && level(page, 1, 3) == 1 && level(page, 2, 3) == 255)
    #expect(level(page, 0, 2) == 255)
    page.place(try square(2, 9), x: 4, y: 0)
    page.place(try square(2, 9), x: 0, y: -9)
    #expect(!page.pixels.contains(9))
  }
}
