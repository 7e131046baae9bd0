import Foundation

/// A small PNG whose texts unpack to many times the file.
enum PNGBomb {
  /// A gray picture with `texts` compressed texts of some 4 MiB each.
  static func file(edge: Int, texts: Int) -> Data {
    let head = big(edge) + big(edge) + [8, 0, 0, 0, 0]
    let rows = [UInt8](repeating: 0, count: edge * (edge + 1))
    var bytes: [UInt8] = [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A]
    bytes += chunk("IHDR", head)
    let text = run(of: UInt8(ascii: "a"), matches: 16_200)
    for index in 0..<texts { bytes += chunk("zTXt", Array("text \(index)".utf8) + [0, 0] + text) }
    bytes += chunk("IDAT", stored(rows)) + chunk("IEND", [])
    return Data(bytes)
  }

  /// A black picture in RGB that takes a thousandth of its pixels.
  /// - Parameter rows: as many are there; nil: all.
  static func blank(width: Int, height: Int, rows: Int? = nil) -> Data {
    var bytes: [UInt8] = [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A]
    bytes += chunk("IHDR", big(width) + big(height) + [8, 2, 0, 0, 0])
    let count = rows.map { min($0 * 1000, 1 << 20) } ?? height * (1 + 3 * width)
    bytes += chunk("IDAT", run(of: 0, matches: (count - 1 + 257) / 258)) + chunk("IEND", [])
    return Data(bytes)
  }

  /// zlib's format: a byte, and then 258 more of it for every match.
  private static func run(of byte: UInt8, matches: Int) -> [UInt8] {
    var bits: [Bool] = []
    func put(_ code: Int, _ count: Int) {
      for bit in (0..<count).reversed() { bits.append(code >> bit & 1 == 1) }
    }
    // The last block, with fixed codes.
    bits += [true, true, false]
    put(0x30 + Int(byte), 8)
    for _ in 0..<matches {
      put(0b1100_0101, 8)
      put(0, 5)
    }
    put(0, 7)
    let packed = stride(from: 0, to: bits.count, by: 8).map { start in
      (0..<min(8, bits.count - start)).reduce(UInt8(0)) { $0 | (bits[start + $1] ? 1 << $1 : 0) }
    }
    return [0x78, 0x01] + packed + checksum(of: Int(byte), count: 1 + 258 * matches)
  }

  /// zlib's format, not compressed; below 64 KiB.
  private static func stored(_ data: [UInt8]) -> [UInt8] {
    let sizes = [data.count, ~data.count].flatMap {
      [UInt8(truncatingIfNeeded: $0), UInt8(truncatingIfNeeded: $0 >> 8)]
    }
    return [0x78, 0x01, 1] + sizes + data + checksum(data)
  }

  /// Adler's, of one byte over and over.
  private static func checksum(of byte: Int, count: Int) -> [UInt8] {
    let sum = count * (count + 1) / 2 % 65_521
    return big((count + byte * sum) % 65_521 << 16 | (1 + byte * count) % 65_521)
  }

  /// Adler's.
  private static func checksum(_ data: some Sequence<UInt8>) -> [UInt8] {
    var (a, b) = (1, 0)
    for byte in data {
      a = (a + Int(byte)) % 65_521
      b = (b + a) % 65_521
    }
    return big(b << 16 | a)
  }

  private static func big(_ value: Int) -> [UInt8] {
    [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: value >> $0) }
  }

  private static func chunk(_ name: String, _ data: [UInt8]) -> [UInt8] {
    let body = Array(name.utf8) + data
    var crc = UInt32.max
    for byte in body {
      crc ^= UInt32(byte)
      for _ in 0..<8 { crc = crc & 1 == 1 ? crc >> 1 ^ 0xEDB8_8320 : crc >> 1 }
    }
    return big(data.count) + body + big(Int(~crc))
  }
}
