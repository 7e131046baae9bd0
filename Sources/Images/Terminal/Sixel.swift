/// DEC's Sixel: six rows of pixels at a time, one colour after the other.
enum Sixel {
  /// Terminals have at least as many colour registers.
  private static let colors = 256

  static func text(_ image: RGBImage) -> String {
    let palette = ColorPalette(of: image, most: colors)
    // 0;1: pixels are square, and those that nobody sets stay as they are.
    var text: [UInt8] = Array("\u{1B}P0;1;0q\"1;1;\(image.width);\(image.height)".utf8)
    for (index, color) in palette.colors.enumerated() {
      let shares = [color.red, color.green, color.blue].map { "\((Int($0) * 100 + 127) / 255)" }
      text += "#\(index);2;\(shares.joined(separator: ";"))".utf8
    }
    for top in stride(from: 0, to: image.height, by: 6) {
      write(image, palette, rows: top..<min(top + 6, image.height), to: &text)
      text.append(UInt8(ascii: "-"))
    }
    return String(decoding: text, as: UTF8.self) + "\u{1B}\\"
  }

  /// A band: for each of its colours, the pixels that have it.
  private static func write(
    _ image: RGBImage, _ palette: ColorPalette, rows: Range<Int>, to text: inout [UInt8]
  ) {
    var bands: [Int: [UInt8]] = [:]
    for row in rows {
      for column in 0..<image.width {
        let index = palette.index(of: image.color(x: column, y: row))
        bands[index, default: [UInt8](repeating: 0, count: image.width)][column] |=
          1 << (row - rows.lowerBound)
      }
    }
    for (number, (index, bits)) in bands.sorted(by: { $0.key < $1.key }).enumerated() {
      // Back to the left edge of the same band.
      if number > 0 { text.append(UInt8(ascii: "$")) }
      text += "#\(index)".utf8
      var start = 0
      while start < bits.count {
        var end = start + 1
        while end < bits.count, bits[end] == bits[start] { end += 1 }
        let letter = UInt8(ascii: "?") + bits[start]
        if end - start > 3 {
          text += "!\(end - start)".utf8
          text.append(letter)
        } else {
          text += repeatElement(letter, count: end - start)
        }
        start = end
      }
    }
  }
}
