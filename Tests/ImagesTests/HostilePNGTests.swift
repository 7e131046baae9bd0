import Foundation
import Fuzzing
import Images
import TestSupport
import Testing

/// Files that were made to hurt: an error each time, never a crash, never much memory.
@Suite struct HostilePNGTests {
  @Test func hugeSizesAreRefusedBeforeMemoryIsTaken() throws {
    let head = PNGBytes.big(0x7FFF_FFFF) + PNGBytes.big(0x7FFF_FFFF) + [8, 2, 0, 0, 0]
    let bytes =
      PNGBytes.signature + PNGBytes.chunk("IHDR", head)
      + PNGBytes.chunk("IDAT", PNGBytes.zlibStored([0])) + PNGBytes.chunk("IEND", [])
    #expect(
      throws: ImageError.tooLarge(
        name: "bomb.png", width: 0x7FFF_FFFF, height: 0x7FFF_FFFF, limits: PNGLimits())
    ) {
      try PNGFile.decode(bytes, name: "bomb.png")
    }
  }

  @Test func limitsHold() throws {
    let bytes = try PNGFile.encode(gradient(20, 10))
    let limits = [PNGLimits(side: 19), PNGLimits(pixels: 199), PNGLimits(fileBytes: bytes.count - 1)]
    for limit in limits {
      #expect(throws: ImageError.self) { try PNGFile.decode(bytes, limits: limit) }
    }
    #expect(try PNGFile.decode(bytes, limits: PNGLimits(side: 20, pixels: 200)).image.width == 20)
  }

  @Test func largeAndManyTextsArePassedOver() throws {
    var builder = PNGBuilder(width: 2, height: 2, colorType: 0)
    let zeros = PNGBytes.zlibStored([UInt8](repeating: 0x41, count: 100_000))
    builder.extra = [("zTXt", Array("bomb".utf8) + [0, 0] + zeros)]
    builder.extra += (0..<500).map { ("tEXt", Array("k\($0)".utf8) + [0, 0x41]) }
    let texts = try PNGFile.decode(
      builder.file { _, _ in [1] }, limits: PNGLimits(textChunks: 20, textBytes: 10_000)
    ).texts
    #expect(texts.count <= 20)
    #expect(!texts.contains { $0.text.utf8.count > 10_000 })
  }

  @Test func aChunkThatClaimsMoreThanThereIsCostsNoMemory() throws {
    let file = try PNGFile.encode(gradient(4, 4))
    // Behind the header: 2 GiB of text, of which four bytes are there. libpng alone would take it all.
    let claim = PNGBytes.big(0x7FFF_FFF0) + Array("tEXtk".utf8) + [0, 0x41, 0x42]
    let bytes = Array(file.prefix(33)) + claim + file.dropFirst(33)
    let started = Self.ownSeconds
    #expect(throws: ImageError.damaged(name: "PNG", reason: "the data ends too early")) {
      for _ in 0..<20 { _ = try? PNGFile.decode(bytes) }
      return try PNGFile.decode(bytes)
    }
    #expect(Self.ownSeconds - started < 1)
  }

  /// Seconds that this thread has computed. On a busy machine it may stand still for longer.
  private static var ownSeconds: Double {
    var time = timespec()
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
  }

  @Test func everyTruncationIsAnError() throws {
    let bytes = try PNGFile.encode(gradient(9, 9), texts: [PNGText(keyword: "k", text: "t")])
    for count in 0..<bytes.count {
      #expect {
        try PNGFile.decode(Array(bytes.prefix(count)))
      } throws: { error in
        guard case .damaged? = error as? ImageError else { return false }
        return true
      }
    }
  }

  @Test func otherFilesAreNamed() throws {
    #expect(
      throws: ImageError.damaged(name: "x.jpg", reason: "it does not begin with the PNG signature")
    ) {
      try PNGFile.decode([0xFF, 0xD8, 0xFF, 0xE0, 0, 16, 0x4A, 0x46, 0x49, 0x46], name: "x.jpg")
    }
  }

  /// Half of the changes stay inside a chunk and get a right checksum, or nearly all would stop at
  /// the first check.
  @Test func fuzzedFilesGiveAPictureOrAnError() throws {
    var interlaced = PNGBuilder(width: 17, height: 9, depth: 4, colorType: 3, interlaced: true)
    interlaced.extra = [("PLTE", PNGKindsTests.palette), ("tRNS", [1, 2])]
    let texts = [PNGText(keyword: "a", text: "b"), PNGText(keyword: "c", text: "日")]
    let seeds = [
      try PNGFile.encode(gradient(16, 16), texts: texts), interlaced.file { x, y in [(x + y) & 3] },
    ]
    let limits = PNGLimits(side: 256, pixels: 1 << 14, textChunks: 8, textBytes: 1 << 12)
    var pictures = 0
    let run = FuzzRun("png", cases: 2000) { round, random in
      var bytes = seeds[round % 2]
      if round % 4 < 2, var chunks = PNGChunks(bytes)?.chunks {
        let place = Int.random(in: 0..<chunks.count, using: &random)
        random.mutate(&chunks[place].data, most: 3)
        bytes = PNGBytes.signature + chunks.flatMap { PNGBytes.chunk($0.name, $0.data) }
      } else {
        random.mutate(&bytes, most: 3, from: 8)
      }
      do throws(ImageError) {
        let image = try PNGFile.decode(bytes, limits: limits).image
        pictures += 1
        #expect(image.width <= 256 && image.width * image.height <= 1 << 14)
        #expect(image.pixels.count == image.width * image.height * 3)
      } catch {
        #expect(!error.description.isEmpty)
      }
    }
    // Both ways were taken.
    #expect(pictures > run.cases / 20 && pictures < run.cases * 9 / 10, "\(pictures) of \(run.cases)")
    #expect(run.isBounded)
  }
}
