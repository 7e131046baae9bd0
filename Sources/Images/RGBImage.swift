/// A picture of 8-bit red, green and blue, row by row from the top left.
package struct RGBImage: Sendable, Equatable {
  /// The number of columns, at least 1.
  package let width: Int
  /// The number of rows, at least 1.
  package let height: Int
  /// `width * height * 3` bytes: red, green and blue of each pixel.
  package private(set) var pixels: [UInt8]

  /// An image of the given bytes.
  /// - Throws: `ImageError.badSize` if there are not `width * height * 3` bytes.
  package init(width: Int, height: Int, pixels: [UInt8]) throws(ImageError) {
    guard let count = RGBImage.byteCount(width: width, height: height), count == pixels.count else {
      throw ImageError.badSize(width: width, height: height, bytes: pixels.count)
    }
    self.init(checkedWidth: width, height: height, pixels: pixels)
  }

  /// An image of one colour.
  /// - Throws: `ImageError.badSize` if a side is below 1 or the size overflows.
  package init(width: Int, height: Int, red: UInt8, green: UInt8, blue: UInt8) throws(ImageError) {
    guard let count = RGBImage.byteCount(width: width, height: height) else {
      throw ImageError.badSize(width: width, height: height, bytes: 0)
    }
    var pixels = [UInt8]()
    pixels.reserveCapacity(count)
    for _ in 0..<count / 3 {
      pixels.append(red)
      pixels.append(green)
      pixels.append(blue)
    }
    self.init(checkedWidth: width, height: height, pixels: pixels)
  }

  private init(checkedWidth width: Int, height: Int, pixels: [UInt8]) {
    self.width = width
    self.height = height
    self.pixels = pixels
  }

  /// Copies `other` with its top left corner to column `x`, row `y`. Pixels outside are cut off.
  package mutating func place(_ other: RGBImage, x: Int, y: Int) {
    let columns = max(0, x)..<max(max(0, x), min(width, x + other.width))
    let rows = max(0, y)..<max(max(0, y), min(height, y + other.height))
    guard !columns.isEmpty else { return }
    for row in rows {
      let source = ((row - y) * other.width + columns.lowerBound - x) * 3
      let target = (row * width + columns.lowerBound) * 3
      let length = columns.count * 3
      pixels.replaceSubrange(target..<target + length, with: other.pixels[source..<source + length])
    }
  }

  /// Fills a rectangle with one colour. What is outside is cut off.
  package mutating func fill(x: Int, y: Int, width: Int, height: Int, with color: RGBColor) {
    let columns = min(self.width, max(0, x))..<min(self.width, max(0, x, x + width))
    for row in min(self.height, max(0, y))..<min(self.height, max(0, y, y + height)) {
      for column in columns {
        let place = (row * self.width + column) * 3
        pixels[place] = color.red
        pixels[place + 1] = color.green
        pixels[place + 2] = color.blue
      }
    }
  }

  /// The colour of a pixel within the picture.
  package func color(x: Int, y: Int) -> RGBColor {
    let place = (y * width + x) * 3
    return RGBColor(pixels[place], pixels[place + 1], pixels[place + 2])
  }

  /// The number of bytes of an image of this size; nil if there can be no such image.
  static func byteCount(width: Int, height: Int) -> Int? {
    guard width > 0, height > 0 else { return nil }
    let (pixels, overflow) = width.multipliedReportingOverflow(by: height)
    let (bytes, overflowAgain) = pixels.multipliedReportingOverflow(by: 3)
    return overflow || overflowAgain ? nil : bytes
  }
}
