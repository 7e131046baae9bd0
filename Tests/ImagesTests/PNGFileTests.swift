import Foundation
import Images
import TestSupport
import Testing

func gradient(_ width: Int, _ height: Int) throws -> RGBImage {
  var pixels = [UInt8]()
  for y in 0..<height {
    for x in 0..<width { pixels += [UInt8(x * 7 & 255), UInt8(y * 11 & 255), UInt8((x ^ y) & 255)] }
  }
  return try RGBImage(width: width, height: height, pixels: pixels)
}

@Suite struct PNGFileTests {
  let texts = [
    PNGText(keyword: "parameters", text: "a café, 7.5\nSteps: 25"),
    PNGText(keyword: "segmoe", text: "{\"prompt\": \"猫 🐈\"}"),
  ]

  @Test func everyChunkIsWhereAReaderLooks() throws {
    let bytes = try PNGFile.encode(gradient(37, 21), texts: texts)
    let file = try #require(PNGChunks(bytes))
    #expect(file.chunks.allSatisfy { $0.crcIsRight })
    #expect(file.chunks.map(\.name) == ["IHDR", "tEXt", "iTXt", "IDAT", "IEND"])
    #expect(file.chunks[0].data == [0, 0, 0, 37, 0, 0, 0, 21, 8, 2, 0, 0, 0])
    // Latin-1: one byte for é.
    #expect(
      file.chunks[1].data == Array("parameters".utf8) + [0] + Array("a caf".utf8) + [0xE9]
        + Array(", 7.5\nSteps: 25".utf8))
    // Not compressed, no language, no translated keyword, then UTF-8.
    #expect(file.chunks[2].data == Array("segmoe".utf8) + [0, 0, 0, 0, 0] + Array(texts[1].text.utf8))
  }

  @Test func pixelsAndTextsComeBack() throws {
    for (width, height) in [(1, 1), (3, 5), (64, 48), (257, 1)] {
      let image = try gradient(width, height)
      let back = try PNGFile.decode(PNGFile.encode(image, texts: texts))
      #expect(back.image == image)
      #expect(back.texts == texts)
    }
  }

  @Test func encodingTwiceGivesTheSameBytes() throws {
    let image = try gradient(64, 64)
    #expect(try PNGFile.encode(image, texts: texts) == PNGFile.encode(image, texts: texts))
  }

  @Test func controlCharactersGoToUTF8() throws {
    let text = PNGText(keyword: "k", text: "a\tb\u{85}\r\n")
    let file = try #require(PNGChunks(PNGFile.encode(gradient(2, 2), texts: [text])))
    #expect(file.chunks[1].name == "iTXt")
    #expect(try PNGFile.decode(PNGFile.encode(gradient(2, 2), texts: [text])).texts == [text])
  }

  @Test(arguments: ["", " a", "a ", "a  b", "日本", "a\nb", "a\u{A0}b", String(repeating: "k", count: 80)])
  func badKeywordsAreRefused(keyword: String) throws {
    #expect {
      try PNGFile.encode(gradient(1, 1), texts: [PNGText(keyword: keyword, text: "t")])
    } throws: { error in
      guard case .badText(keyword, _)? = error as? ImageError else { return false }
      return true
    }
  }

  @Test func aZeroInATextIsRefused() throws {
    #expect(throws: ImageError.badText(keyword: "k", reason: "it has a zero character: remove it")) {
      try PNGFile.encode(gradient(1, 1), texts: [PNGText(keyword: "k", text: "a\u{0}b")])
    }
  }

  @Test func imagesOfTheWrongSizeAreRefused() {
    #expect(throws: ImageError.badSize(width: 2, height: 2, bytes: 11)) {
      try RGBImage(width: 2, height: 2, pixels: [UInt8](repeating: 0, count: 11))
    }
    #expect(throws: ImageError.badSize(width: 0, height: 2, bytes: 0)) {
      try RGBImage(width: 0, height: 2, pixels: [])
    }
    #expect(throws: ImageError.badSize(width: .max, height: 2, bytes: 0)) {
      try RGBImage(width: .max, height: 2, red: 0, green: 0, blue: 0)
    }
  }

  @Test func writingLeavesOneFile() throws {
    let folder = try TemporaryFolder()
    let image = try gradient(8, 8)
    try PNGFile.write(gradient(4, 4), to: folder.file("a.png"))
    try PNGFile.write(image, texts: texts, to: folder.file("a.png"))
    #expect(folder.names == ["a.png"])
    #expect(try PNGFile.read(folder.file("a.png")).image == image)
    let long = String(repeating: "é", count: 125) + ".png"
    try PNGFile.write(image, to: folder.file(long))
    #expect(folder.names == ["a.png", long])
  }

  @Test func failedWritesLeaveNothing() throws {
    let folder = try TemporaryFolder()
    let image = try gradient(8, 8)
    #expect(throws: ImageError.folderMissing(folder: folder.file("none"))) {
      try PNGFile.write(image, to: folder.file("none/a.png"))
    }
    // A folder in the way: the rename fails after everything was written.
    try FileManager.default.createDirectory(atPath: folder.file("a.png"), withIntermediateDirectories: false)
    #expect(throws: ImageError.writeFailed(path: folder.file("a.png"), call: "rename", code: EISDIR)) {
      try PNGFile.write(image, to: folder.file("a.png"))
    }
    #expect(folder.names == ["a.png"])
    #expect(throws: ImageError.self) { try PNGFile.write(image, to: folder.path + "/") }
  }

  @Test func aFolderThatIsNotWritableIsNamed() throws {
    let folder = try TemporaryFolder()
    // Root may write everywhere but in /sys.
    let locked = geteuid() == 0 ? "/sys" : folder.path
    if geteuid() != 0 { chmod(locked, 0o555) }
    defer { if geteuid() != 0 { chmod(locked, 0o755) } }
    let image = try gradient(8, 8)
    #expect {
      try PNGFile.write(image, to: locked + "/a.png")
    } throws: { error in
      guard case .notWritable(locked, _)? = error as? ImageError else { return false }
      return "\(error)".hasPrefix("\(locked): cannot be written (")
    }
  }

  @Test func errorsNameTheFileAndTheMend() {
    #expect(
      ImageError.writing(path: "o/1-0.png", call: "write", code: ENOSPC).description
        == "o/1-0.png: the disk is full (No space left on device): free some space, then retry")
    #expect(ImageError.writing(path: "p", call: "fsync", code: EDQUOT) == .diskFull(path: "p", code: EDQUOT))
    #expect(
      ImageError.writing(path: "p", call: "fsync", code: EIO)
        == .writeFailed(path: "p", call: "fsync", code: EIO))
  }

  @Test func unreadableFilesAreNamed() throws {
    let folder = try TemporaryFolder()
    #expect(throws: ImageError.unreadable(path: folder.file("no.png"), code: ENOENT)) {
      try PNGFile.read(folder.file("no.png"))
    }
    #expect(throws: ImageError.unreadable(path: folder.path, code: EISDIR)) { try PNGFile.read(folder.path) }
    #expect(throws: ImageError.unreadable(path: "/dev/zero", code: EINVAL)) { try PNGFile.read("/dev/zero") }
  }

  @Test func aFileThatIsThereIsReplacedOnlyIfItMayBe() throws {
    let folder = try TemporaryFolder()
    let path = folder.path + "/a.png"
    try AtomicFile.write([1], to: path, replacing: false)
    #expect(throws: ImageError.outputExists(path: path)) {
      try AtomicFile.write([2], to: path, replacing: false)
    }
    #expect(FileManager.default.contents(atPath: path) == Data([1]))
    try AtomicFile.write([3], to: path)
    #expect(FileManager.default.contents(atPath: path) == Data([3]))
    try FileManager.default.createSymbolicLink(atPath: folder.path + "/l", withDestinationPath: "nowhere")
    #expect(throws: ImageError.outputExists(path: folder.path + "/l")) {
      try AtomicFile.write([4], to: folder.path + "/l", replacing: false)
    }
    #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted() == ["a.png", "l"])
  }
}
