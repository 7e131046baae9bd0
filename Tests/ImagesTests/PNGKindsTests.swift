import Images
import TestSupport
import Testing

/// Every kind of PNG, made without libpng, against what PIL's convert("RGB") gives.
@Suite struct PNGKindsTests {
  struct Kind: Sendable, CustomTestStringConvertible {
    let name: String
    let colorType: UInt8
    let depth: UInt8
    let samples: @Sendable (Int, Int) -> [Int]
    let rgb: @Sendable (Int, Int) -> [UInt8]
    var testDescription: String { name }
  }

  static let palette: [UInt8] = [255, 0, 0, 0, 255, 0, 0, 0, 255, 9, 8, 7]

  static let kinds: [Kind] = [
    Kind(
      name: "rgb8", colorType: 2, depth: 8, samples: { x, y in [x * 9 & 255, y * 5 & 255, 77] },
      rgb: { x, y in [UInt8(x * 9 & 255), UInt8(y * 5 & 255), 77] }),
    Kind(
      name: "rgb16", colorType: 2, depth: 16, samples: { x, y in [x << 8 | 0xFF, y << 8, 0xABCD] },
      rgb: { x, y in [UInt8(x), UInt8(y), 0xAB] }),
    Kind(
      name: "rgba8", colorType: 6, depth: 8, samples: { x, y in [x, y, 200, x == 0 ? 0 : 128] },
      rgb: { x, y in [UInt8(x), UInt8(y), 200] }),
    Kind(
      name: "rgba16", colorType: 6, depth: 16, samples: { x, y in [x << 8, y << 8, 0x1200, 5] },
      rgb: { x, y in [UInt8(x), UInt8(y), 0x12] }),
    Kind(
      name: "gray8", colorType: 0, depth: 8, samples: { x, y in [x + y] },
      rgb: { x, y in [UInt8](repeating: UInt8(x + y), count: 3) }),
    Kind(
      name: "gray16", colorType: 0, depth: 16, samples: { x, y in [x * 40 + y * y * 600] },
      rgb: { x, y in [UInt8](repeating: UInt8(min(255, x * 40 + y * y * 600)), count: 3) }),
    Kind(
      name: "grayAlpha16", colorType: 4, depth: 16, samples: { x, y in [(x + y) << 8 | 0xEE, y] },
      rgb: { x, y in [UInt8](repeating: UInt8(x + y), count: 3) }),
    Kind(
      name: "gray1", colorType: 0, depth: 1, samples: { x, y in [(x + y) & 1] },
      rgb: { x, y in [UInt8](repeating: (x + y) & 1 == 1 ? 255 : 0, count: 3) }),
    Kind(
      name: "gray4", colorType: 0, depth: 4, samples: { x, _ in [x & 15] },
      rgb: { x, _ in [UInt8](repeating: UInt8((x & 15) * 17), count: 3) }),
    Kind(
      name: "grayAlpha8", colorType: 4, depth: 8, samples: { x, y in [x + y, y] },
      rgb: { x, y in [UInt8](repeating: UInt8(x + y), count: 3) }),
    Kind(
      name: "palette2", colorType: 3, depth: 2, samples: { x, y in [(x + y) & 3] },
      rgb: { x, y in Array(palette[((x + y) & 3) * 3..<((x + y) & 3) * 3 + 3]) }),
  ]

  @Test(arguments: kinds, [false, true])
  func everyKindBecomesRGB(kind: Kind, interlaced: Bool) throws {
    var builder = PNGBuilder(
      width: 19, height: 11, depth: kind.depth, colorType: kind.colorType, interlaced: interlaced)
    if kind.colorType == 3 { builder.extra = [("PLTE", Self.palette), ("tRNS", [0, 128])] }
    // PIL leaves gamma alone, so this must change nothing.
    builder.extra.insert(("gAMA", PNGBytes.big(100_000)), at: 0)
    let image = try PNGFile.decode(builder.file(samples: kind.samples)).image
    #expect(image.width == 19 && image.height == 11)
    for y in 0..<11 {
      for x in 0..<19 {
        let start = (y * 19 + x) * 3
        #expect(Array(image.pixels[start..<start + 3]) == kind.rgb(x, y), "at \(x), \(y)")
      }
    }
  }

  @Test func textsBeforeAndBehindThePixels() throws {
    var builder = PNGBuilder(width: 2, height: 2, colorType: 0)
    builder.extra = [("tEXt", Array("a".utf8) + [0, 0xE9])]
    builder.extraBehind = [
      ("iTXt", Array("b".utf8) + [0, 0, 0, 0, 0] + Array("日".utf8)),
      ("zTXt", Array("c".utf8) + [0, 0] + PNGBytes.zlibStored(Array("packed".utf8))),
      ("iTXt", Array("d".utf8) + [0, 0, 0, 0, 0, 0xFF, 0x41]),
    ]
    let texts = try PNGFile.decode(builder.file { _, _ in [1] }).texts
    #expect(
      texts == [
        PNGText(keyword: "a", text: "é"), PNGText(keyword: "b", text: "日"),
        PNGText(keyword: "c", text: "packed"), PNGText(keyword: "d", text: "\u{FFFD}A"),
      ])
  }
}
