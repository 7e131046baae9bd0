import Foundation
import TestSupport

/// A small PNG whose texts unpack to many times the file.
enum PNGBomb {
  /// A gray picture with `texts` compressed texts of some 4 MiB each.
  static func file(edge: Int, texts: Int) -> Data {
    let head = PNGBytes.big(edge) + PNGBytes.big(edge) + [8, 0, 0, 0, 0]
    let rows = [UInt8](repeating: 0, count: edge * (edge + 1))
    var bytes = PNGBytes.signature
    bytes += PNGBytes.chunk("IHDR", head)
    let text = run(of: UInt8(ascii: "a"), matches: 16_200)
    for index in 0..<texts { bytes += PNGBytes.chunk("zTXt", Array("text \(index)".utf8) + [0, 0] + text) }
    bytes += PNGBytes.chunk("IDAT", PNGBytes.zlibStored(rows)) + PNGBytes.chunk("IEND", [])
    return Data(bytes)
  }

  /// A black picture in RGB that takes a thousandth of its pixels.
  /// - Parameter rows: as many are there; nil: all.
  static func blank(width: Int, height: Int, rows: Int? = nil) -> Data {
    var bytes = PNGBytes.signature
    bytes += PNGBytes.chunk("IHDR", PNGBytes.big(width) + PNGBytes.big(height) + [8, 2, 0, 0, 0])
    let count = rows.map { min($0 * 1000, 1 << 20) } ?? height * (1 + 3 * width)
    bytes += PNGBytes.chunk("IDAT", run(of: 0, matches: (count - 1 + 257) / 258)) + PNGBytes.chunk("IEND", [])
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

  /// Adler's, of one byte over and over.
  private static func checksum(of byte: Int, count: Int) -> [UInt8] {
    let sum = count * (count + 1) / 2 % 65_521
    return PNGBytes.big((count + byte * sum) % 65_521 << 16 | (1 + byte * count) % 65_521)
  }
}
