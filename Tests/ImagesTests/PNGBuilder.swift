/// Makes PNG files of any kind byte by byte, independent of libpng (deflate in stored blocks).
struct PNGBuilder {
  var width: Int
  var height: Int
  var depth: UInt8 = 8
  var colorType: UInt8
  var interlaced = false
  var extra: [(name: String, data: [UInt8])] = []
  var extraBehind: [(name: String, data: [UInt8])] = []

  static let signature: [UInt8] = [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A]

  static func big(_ value: Int) -> [UInt8] {
    [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: value >> $0) }
  }

  static func chunk(_ name: String, _ data: [UInt8]) -> [UInt8] {
    let body = Array(name.utf8) + data
    return big(data.count) + body + big(Int(crc32(body)))
  }

  static func crc32(_ bytes: [UInt8]) -> UInt32 {
    var crc = UInt32.max
    for byte in bytes {
      crc ^= UInt32(byte)
      for _ in 0..<8 { crc = crc & 1 == 1 ? crc >> 1 ^ 0xEDB8_8320 : crc >> 1 }
    }
    return ~crc
  }

  static func zlibStored(_ data: [UInt8]) -> [UInt8] {
    var bytes: [UInt8] = [0x78, 0x01]
    var rest = data[...]
    repeat {
      let block = rest.prefix(65_535)
      rest = rest.dropFirst(block.count)
      bytes.append(rest.isEmpty ? 1 : 0)
      for size in [block.count, ~block.count] {
        bytes += [UInt8(truncatingIfNeeded: size), UInt8(truncatingIfNeeded: size >> 8)]
      }
      bytes += block
    } while !rest.isEmpty
    var a = 1
    var b = 0
    for byte in data {
      a = (a + Int(byte)) % 65_521
      b = (b + a) % 65_521
    }
    return bytes + big(b << 16 | a)
  }

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
    let head = Self.big(width) + Self.big(height) + [depth, colorType, 0, 0, interlaced ? 1 : 0]
    return Self.signature + Self.chunk("IHDR", head)
      + extra.flatMap { Self.chunk($0.name, $0.data) }
      + Self.chunk("IDAT", Self.zlibStored(scanlines))
      + extraBehind.flatMap { Self.chunk($0.name, $0.data) }
      + Self.chunk("IEND", [])
  }
}

/// The chunks of a PNG, read without libpng.
struct PNGChunks {
  var chunks: [(name: String, data: [UInt8], crcIsRight: Bool)] = []

  init?(_ bytes: [UInt8]) {
    guard bytes.starts(with: PNGBuilder.signature) else { return nil }
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
          crc == PNGBuilder.crc32(body)
        ))
      rest = rest.dropFirst(size + 12)
    }
  }
}
