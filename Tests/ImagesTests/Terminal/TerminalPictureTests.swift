import Foundation
import Images
import TestSupport
import Testing

/// Each encoder's text, read as a terminal reads it.
@Suite struct TerminalPictureTests {
  /// A picture in which every pixel has a colour of its own.
  private func noise(_ width: Int, _ height: Int) throws -> RGBImage {
    var random = RandomNumbers(seed: 21)
    return try RGBImage(
      width: width, height: height,
      pixels: (0..<width * height * 3).map { _ in UInt8.random(in: 0...255, using: &random) })
  }

  /// A picture of so many colours.
  private func stripes(_ width: Int, _ height: Int, colors: Int) throws -> RGBImage {
    let pixels = (0..<width * height).flatMap { place -> [UInt8] in
      let color = (place % width + place / width * 3) % colors
      return [UInt8(color * 37 % 256), UInt8(color * 101 % 256), UInt8(color)]
    }
    return try RGBImage(width: width, height: height, pixels: pixels)
  }

  /// What is between the room that is made for it and the cursor's way down.
  private func payload(_ picture: TerminalPicture) throws -> String {
    let room = String(repeating: "\u{1B}[K\n", count: picture.rows) + "\u{1B}[\(picture.rows)A\u{1B}7"
    let end = "\u{1B}8\u{1B}[\(picture.rows)B\r"
    try #require(picture.text.hasPrefix(room) && picture.text.hasSuffix(end))
    return String(picture.text.dropFirst(room.count).dropLast(end.count))
  }

  @Test func kittyGetsAPNGInPieces() throws {
    let image = try noise(96, 64)
    let picture = try TerminalPicture(image, in: CellBox(columns: 80, rows: 24), by: .kitty, name: 7)
    #expect(picture.rows == 4)
    let pieces = try payload(picture).components(separatedBy: "\u{1B}\\")
    #expect(pieces.count > 3 && pieces.last == "")
    var png = ""
    for (number, piece) in pieces.dropLast().enumerated() {
      try #require(piece.hasPrefix("\u{1B}_G"))
      let parts = piece.dropFirst(3).split(separator: ";", omittingEmptySubsequences: false)
      try #require(parts.count == 2)
      let keys = Set(parts[0].split(separator: ",").map(String.init))
      #expect(keys.contains("m=\(number == pieces.count - 2 ? 0 : 1)"), "\(keys)")
      #expect(keys.isSuperset(of: ["a=T", "f=100", "C=1", "q=2", "i=7"]) == (number == 0))
      #expect(parts[1].count <= 4096 && (parts[1].count == 4096 || number == pieces.count - 2))
      png += parts[1]
    }
    let bytes = try #require(Data(base64Encoded: png))
    #expect(try PNGFile.decode(Array(bytes)).image == image)
    #expect(TerminalPicture.erasure(of: 7, by: .kitty).contains("d=I,i=7"))
    #expect(TerminalPicture.erasure(of: 7, by: .sixel) == "")
  }

  @Test func itermGetsAPNGAndItsCells() throws {
    let image = try noise(40, 30)
    let picture = try TerminalPicture(
      image, in: CellBox(columns: 80, rows: 24, cellWidth: 10, cellHeight: 20), by: .iterm2)
    #expect(picture.rows == 2)
    let text = try payload(picture)
    try #require(text.hasPrefix("\u{1B}]1337;File=") && text.hasSuffix("\u{7}"))
    let parts = text.dropFirst(12).dropLast().split(separator: ":", maxSplits: 1)
    let bytes = try #require(Data(base64Encoded: String(parts[1])))
    #expect(parts[0] == "inline=1;size=\(bytes.count);width=4;height=2;preserveAspectRatio=1")
    #expect(try PNGFile.decode(Array(bytes)).image == image)
  }

  /// Sixel has hundredths of each colour, so few colours come out to a level or two.
  @Test(arguments: [(7, 5, 2), (64, 13, 100), (50, 40, 256)])
  func sixelOfFewColorsIsExact(width: Int, height: Int, colors: Int) throws {
    let image = try stripes(width, height, colors: colors)
    let read = try SixelReader(
      payload(TerminalPicture(image, in: CellBox(columns: 80, rows: 24), by: .sixel)))
    #expect(read.width == width && read.height == height)
    for (place, pixel) in read.pixels.enumerated() {
      let wanted = image.pixels[place * 3..<place * 3 + 3].map(Int.init)
      let found = try #require(pixel, "nobody sets pixel \(place)")
      #expect(zip(found, wanted).allSatisfy { abs($0 - $1) <= 2 }, "\(found) for \(wanted)")
    }
  }

  @Test func sixelOfManyColorsIsNear() throws {
    // A gradient, as photographs have them.
    var image = try RGBImage(width: 128, height: 96, red: 0, green: 0, blue: 0)
    for y in 0..<96 {
      for x in 0..<128 {
        image.fill(
          x: x, y: y, width: 1, height: 1, with: RGBColor(UInt8(x * 2), UInt8(y * 2), UInt8(255 - x)))
      }
    }
    let read = try SixelReader(
      payload(TerminalPicture(image, in: CellBox(columns: 80, rows: 24), by: .sixel)))
    var sum = 0
    for (place, pixel) in read.pixels.enumerated() {
      let found = try #require(pixel)
      for channel in 0..<3 { sum += abs(found[channel] - Int(image.pixels[place * 3 + channel])) }
    }
    #expect(Double(sum) / Double(read.pixels.count * 3) < 6)
    #expect(Set(read.pixels.compactMap { $0 }).count > 200)
  }

  /// The colours of the cells: of each, the upper and the lower pixel; nil: the terminal's own.
  private func cells(_ text: String, color: ([Int]) throws -> [Int]) throws -> [[(
    upper: [Int], lower: [Int]?
  )]] {
    try text.split(separator: "\n").map { line in
      try #require(line.hasSuffix("\u{1B}[0m\u{1B}[K"))
      var (upper, lower): ([Int], [Int]?) = ([], nil)
      var row: [(upper: [Int], lower: [Int]?)] = []
      var rest = line.dropLast(7)
      while !rest.isEmpty {
        if rest.hasPrefix("▀") {
          row.append((upper, lower))
          rest = rest.dropFirst()
          continue
        }
        let match = try #require(rest.prefixMatch(of: #/\u{1B}\[(38|48);([0-9;]+)m/#))
        let value = try color(match.2.split(separator: ";").compactMap { Int($0) })
        if match.1 == "38" { upper = value } else { lower = value }
        rest = rest[match.range.upperBound...]
      }
      return row
    }
  }

  @Test func halfBlocksAreTwoPixels() throws {
    let image = try noise(9, 7)
    let picture = try TerminalPicture(image, in: CellBox(columns: 80, rows: 24), by: .blocks)
    #expect(picture.rows == 4)
    let rows = try cells(picture.text) { code in
      try #require(code.first == 2 && code.count == 4)
      return Array(code.dropFirst())
    }
    #expect(rows.map(\.count) == [9, 9, 9, 9])
    for (y, row) in rows.enumerated() {
      for (x, cell) in row.enumerated() {
        func pixel(_ y: Int) -> [Int] { (0..<3).map { Int(image.pixels[(y * 9 + x) * 3 + $0]) } }
        #expect(cell.upper == pixel(2 * y))
        #expect(cell.lower == (2 * y + 1 < 7 ? pixel(2 * y + 1) : nil))
      }
    }
  }

  /// No other of the 240 colours is nearer.
  @Test func halfBlocksOf256Colors() throws {
    let levels = [0, 95, 135, 175, 215, 255]
    let cube = (0..<216).map { (place: Int) -> [Int] in
      [levels[place / 36], levels[place / 6 % 6], levels[place % 6]]
    }
    let palette = cube + (0..<24).map { (place: Int) -> [Int] in Array(repeating: 8 + 10 * place, count: 3) }
    func distance(_ a: [Int], _ b: [Int]) -> Int {
      zip(a, b).reduce(0) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) }
    }
    var image = try noise(40, 40)
    for grey in 0..<40 {
      image.fill(
        x: grey, y: 0, width: 1, height: 1, with: RGBColor(UInt8(grey * 6), UInt8(grey * 6), UInt8(grey * 6)))
    }
    let picture = try TerminalPicture(
      image, in: CellBox(columns: 80, rows: 24), by: .blocks, hasTrueColor: false)
    let rows = try cells(picture.text) { code in
      try #require(code.count == 2 && code[0] == 5 && (16...255).contains(code[1]))
      return palette[code[1] - 16]
    }
    for (y, row) in rows.enumerated() {
      for (x, cell) in row.enumerated() {
        for (half, found) in [cell.upper, try #require(cell.lower)].enumerated() {
          let color = image.color(x: x, y: 2 * y + half)
          let wanted = [Int(color.red), Int(color.green), Int(color.blue)]
          let best = palette.map { distance($0, wanted) }.min()
          #expect(distance(found, wanted) == best, "\(found) for \(wanted)")
        }
      }
    }
  }

  /// The aspect is kept, and nothing is larger than the box or, unless it is asked for, than the picture.
  @Test(arguments: [
    (512, 512, 80, 24, 24, 384), (512, 512, 20, 100, 10, 160), (1024, 256, 80, 24, 10, 640),
    (64, 64, 80, 24, 4, 64), (10_000, 1, 80, 24, 1, 640),
  ])
  func picturesFitTheBox(width: Int, height: Int, columns: Int, rows: Int, taken: Int, wide: Int) throws {
    let image = try RGBImage(width: width, height: height, red: 9, green: 9, blue: 9)
    let picture = try TerminalPicture(image, in: CellBox(columns: columns, rows: rows), by: .sixel)
    #expect(picture.rows == taken)
    #expect(try SixelReader(payload(picture)).width == wide)
  }

  @Test func smallPicturesMayFillTheBox() throws {
    let image = try RGBImage(width: 16, height: 16, red: 9, green: 9, blue: 9)
    let box = CellBox(columns: 40, rows: 8, mayEnlarge: true)
    #expect(try SixelReader(payload(TerminalPicture(image, in: box, by: .sixel))).height == 128)
    #expect(try TerminalPicture(image, in: box, by: .blocks).rows == 8)
  }

  /// Whatever a terminal says of its size.
  @Test func absurdBoxesAreBroughtIntoRange() throws {
    let image = try RGBImage(width: 3, height: 3, red: 9, green: 9, blue: 9)
    for box in [
      CellBox(columns: 0, rows: -7, cellWidth: 0, cellHeight: -1), CellBox(columns: .max, rows: .max),
    ] {
      for way in TerminalProtocol.allCases {
        #expect(try TerminalPicture(image, in: box, by: way).rows >= 1)
      }
    }
  }
}
