/// What a terminal would draw of a Sixel text.
package struct SixelReader {
  /// Columns.
  package private(set) var width = 0
  /// Rows.
  package private(set) var height = 0
  /// Red, green and blue of each pixel, 0 to 255, row by row; nil: nobody set it.
  package private(set) var pixels: [[Int]?] = []

  /// Reads a whole sequence, from `ESC P` to `ESC \`.
  /// - Throws: `Malformed`
  package init(_ text: String) throws {
    guard text.hasPrefix("\u{1B}P"), text.hasSuffix("\u{1B}\\"), let start = text.firstIndex(of: "q") else {
      throw Malformed(text: String(text.prefix(80)))
    }
    var rest = Array(text[text.index(after: start)...].utf8.dropLast(2))[...]
    var palette: [Int: [Int]] = [:]
    var (color, column, top) = (0, 0, 0)
    func numbers() -> [Int] {
      var list = [0]
      while let byte = rest.first {
        if byte == UInt8(ascii: ";") {
          list.append(0)
        } else if (0x30...0x39).contains(byte) {
          list[list.count - 1] = list[list.count - 1] * 10 + Int(byte - 0x30)
        } else {
          break
        }
        rest.removeFirst()
      }
      return list
    }
    while let byte = rest.popFirst() {
      switch byte {
      case UInt8(ascii: "\""):
        let raster = numbers()
        guard raster.count == 4, raster[0] == 1, raster[1] == 1 else { throw Malformed(text: "raster") }
        (width, height) = (raster[2], raster[3])
        pixels = Array(repeating: nil, count: width * height)
      case UInt8(ascii: "#"):
        let list = numbers()
        color = list[0]
        if list.count == 5 {
          guard list[1] == 2, list[2...].allSatisfy({ $0 <= 100 }) else { throw Malformed(text: "colour") }
          palette[color] = list[2...].map { ($0 * 255 + 50) / 100 }
        }
      case UInt8(ascii: "$"): column = 0
      case UInt8(ascii: "-"): (column, top) = (0, top + 6)
      case UInt8(ascii: "!"), 0x3F...0x7E:
        let count = byte == UInt8(ascii: "!") ? numbers()[0] : 1
        guard let letter = byte == UInt8(ascii: "!") ? rest.popFirst() : byte, (0x3F...0x7E).contains(letter),
          column + count <= width, let value = palette[color]
        else { throw Malformed(text: "sixel at \(column), \(top)") }
        for bit in 0..<6 where (letter - 0x3F) >> bit & 1 == 1 {
          guard top + bit < height else { throw Malformed(text: "below the picture") }
          for place in column..<column + count { pixels[(top + bit) * width + place] = value }
        }
        column += count
      default: throw Malformed(text: "byte \(byte)")
      }
    }
  }

  /// It is no Sixel, or says something that the picture has no place for.
  package struct Malformed: Error {
    let text: String
  }
}
