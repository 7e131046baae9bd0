import TestSupport

/// Makes PNG files of any kind byte by byte, independent of libpng (deflate in stored blocks).
struct PNGBuilder {
  var width: Int
  var height: Int
  var depth: UInt8 = 8
  var colorType: UInt8
  var interlaced = false
  var extra: [(name: String, data: [UInt8])] = []
  var extraBehind: [(name: String, data: [UInt8])] = []

  /// The file; `samples` gives the samples of the pixel at column x, row y.
  func file(samples: (_ x: Int, _ y: Int) -> [Int]) -> [UInt8] {
    let passes =
      interlaced
      ? [
        (0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2),
      ] : [(0, 0, 1, 1)]
    var scanlines = [UInt8]()
    for (x0, y0, dx, dy) in passes where x0 < width {
      for y in stride(from: y0, to: height, by: dy) {
        var bits = [Bool]()
        for x in stride(from: x0, to: width, by: dx) {
          for sample in samples(x, y) {
            for bit in (0..<Int(depth)).reversed() { bits.append(sample >> bit & 1 == 1) }
          }
        }
        scanlines.append(0)
        for start in stride(from: 0, to: bits.count, by: 8) {
          var byte: UInt8 = 0
          for offset in 0..<8 where start + offset < bits.count && bits[start + offset] {
            byte |= 0x80 >> offset
          }
          scanlines.append(byte)
        }
      }
    }
    let head = PNGBytes.big(width) + PNGBytes.big(height) + [depth, colorType, 0, 0, interlaced ? 1 : 0]
    return PNGBytes.signature + PNGBytes.chunk("IHDR", head)
      + extra.flatMap { PNGBytes.chunk($0.name, $0.data) }
      + PNGBytes.chunk("IDAT", PNGBytes.zlibStored(scanlines))
      + extraBehind.flatMap { PNGBytes.chunk($0.name, $0.data) }
      + PNGBytes.chunk("IEND", [])
  }
}

/// The chunks of a PNG, read without libpng.
struct PNGChunks {
  var chunks: [(name: String, data: [UInt8], crcIsRight: Bool)] = []

  init?(_ bytes: [UInt8]) {
    guard bytes.starts(with: PNGBytes.signature) else { return nil }
    var rest = bytes.dropFirst(8)
    while !rest.isEmpty {
      guard rest.count >= 12 else { return nil }
      let size = rest.prefix(4).reduce(0) { $0 << 8 | Int($1) }
      guard rest.count >= size + 12 else { return nil }
      let body = Array(rest.dropFirst(4).prefix(size + 4))
      let crc = rest.dropFirst(8 + size).prefix(4).reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
      chunks.append(
        (
          String(decoding: body.prefix(4), as: UTF8.self), Array(body.dropFirst(4)),
          crc == PNGBytes.crc32(body)
        ))
      rest = rest.dropFirst(size + 12)
    }
  }
}
