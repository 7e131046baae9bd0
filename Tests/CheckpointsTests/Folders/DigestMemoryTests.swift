import Boundary
import Checkpoints
import Foundation
import TestSupport
import Testing

/// Hashes of unchanged files are remembered, and those of changed ones are computed.
struct DigestMemoryTests {
  private let folder: TemporaryFolder
  private let file: String
  private static let size = 17 << 20

  init() throws {
    folder = try TemporaryFolder()
    file = folder.file("model.safetensors")
    try Self.content(seed: 1).write(to: URL(fileURLWithPath: file))
  }

  private static func content(seed: UInt64) -> Data {
    var state = seed
    let words = (0..<size / 8).map { _ in
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return state
    }
    return words.withUnsafeBytes { Data($0) }
  }

  private var place: String { folder.file("state/digests") }
  private var memory: DigestMemory { DigestMemory(folder: place, settlingFor: 0) }

  private func entries() -> [String] {
    ((try? FileManager.default.contentsOfDirectory(atPath: place)) ?? []).sorted().map { place + "/" + $0 }
  }

  /// Asks a memory for the hashes of a file's two pieces.
  /// - Returns: whether they were computed. Computed or not, they must be right.
  private func isComputed(_ memory: DigestMemory, path: String? = nil) throws -> Bool {
    let path = path ?? file
    let bytes = [UInt8](try Data(contentsOf: URL(fileURLWithPath: path)))
    let pieces = [bytes[..<(16 << 20)], bytes[(16 << 20)...]].map { piece in
      var digest = Digest()
      digest.add(Array(piece))
      return digest.bytes()
    }
    var isComputed = false
    let found = try memory.digests(of: FileReader(path: path, purpose: "a test"), count: 2) {
      isComputed = true
      return pieces
    }
    #expect(found == pieces)
    return isComputed
  }

  private func rewrite(at offset: UInt64) throws {
    let handle = try FileHandle(forUpdating: URL(fileURLWithPath: file))
    try handle.seek(toOffset: offset)
    try handle.write(contentsOf: Data([0xAB, 0xCD, 0xEF]))
    try handle.close()
  }

  @Test func anUnchangedFileIsHashedOnce() throws {
    #expect(try isComputed(memory))
    #expect(try !isComputed(memory))
    #expect(entries().count == 1)
  }

  @Test func aModelHasTheSameDigestWithAndWithoutIt() throws {
    func digest(_ memory: DigestMemory?) throws -> String {
      var digest = Digest()
      try digest.add(piecesOf: FileReader(path: file, purpose: "a test"), memory)
      return digest.hexadecimal()
    }
    let plain = try digest(nil)
    #expect(try digest(memory) == plain)
    #expect(entries().count == 1)
    #expect(try digest(memory) == plain)
  }

  @Test func aFileThatWasWrittenToIsHashedAgain() throws {
    #expect(try isComputed(memory))
    try rewrite(at: 9 << 20)
    #expect(try isComputed(memory))
    #expect(try !isComputed(memory))
  }

  /// As `touch -r` does, so that the change does not show in the time of the last write.
  @Test func settingTheTimeBackHidesNothing() throws {
    var before = stat()
    #expect(stat(file, &before) == 0)
    #expect(try isComputed(memory))
    try rewrite(at: 9 << 20)
    #expect(utimensat(AT_FDCWD, file, [before.st_atim, before.st_mtim], 0) == 0)
    #expect(try isComputed(memory))
  }

  /// Two file systems may give the same numbers and times to different contents.
  @Test func anEntryOfAnotherContentIsNotTaken() throws {
    let other = folder.file("other.safetensors")
    try Self.content(seed: 2).write(to: URL(fileURLWithPath: other))
    #expect(try isComputed(memory))
    let own = try #require(entries().first)
    #expect(try isComputed(memory, path: other))
    let others = try #require(entries().first { $0 != own })
    try FileManager.default.removeItem(atPath: others)
    try FileManager.default.copyItem(atPath: own, toPath: others)
    #expect(try isComputed(memory, path: other))
  }

  @Test(arguments: [0, 31, 32, 64, 127]) func aDamagedEntryIsNotTaken(offset: Int) throws {
    #expect(try isComputed(memory))
    let entry = URL(fileURLWithPath: try #require(entries().first))
    var bytes = try Data(contentsOf: entry)
    bytes[offset] ^= 1
    try bytes.write(to: entry)
    #expect(try isComputed(memory))
    #expect(try !isComputed(memory))
  }

  @Test func anEntryThatOthersMayWriteIsNotTaken() throws {
    #expect(try isComputed(memory))
    let entry = try #require(entries().first)
    #expect(chmod(entry, 0o666) == 0)
    #expect(try isComputed(memory))
  }

  @Test func anEntryThatIsALinkIsNotTaken() throws {
    #expect(try isComputed(memory))
    let entry = try #require(entries().first)
    try FileManager.default.moveItem(atPath: entry, toPath: folder.file("elsewhere"))
    #expect(symlink(folder.file("elsewhere"), entry) == 0)
    #expect(try isComputed(memory))
  }

  /// Whoever may write into the folder could exchange entries for others that are as good in themselves.
  @Test(arguments: [0o777, 0o770, 0o1777]) func aFolderThatOthersMayWriteIntoIsNone(rights: Int) throws {
    #expect(try isComputed(memory))
    #expect(chmod(place, mode_t(rights)) == 0)
    #expect(try isComputed(memory))
    for entry in entries() { #expect(unlink(entry) == 0) }
    #expect(try isComputed(memory))
    #expect(entries().isEmpty)
    #expect(chmod(place, 0o700) == 0)
    #expect(try isComputed(memory))
    #expect(try !isComputed(memory))
  }

  /// A memory of several processes at once is right for each, and whole in the end.
  @Test func manyAtOnceShareIt() async throws {
    try await withThrowingTaskGroup(of: Void.self) { group in
      for _ in 0..<4 { group.addTask { for _ in 0..<3 { _ = try isComputed(memory) } } }
      try await group.waitForAll()
    }
    #expect(try !isComputed(memory))
    #expect(entries().count == 1)
  }

  /// The next write could leave all of its times as they are.
  @Test func aFileThatHasJustChangedIsNotRemembered() throws {
    let cautious = DigestMemory(folder: place, settlingFor: 100_000)
    #expect(try isComputed(cautious))
    #expect(try isComputed(cautious))
    #expect(entries().isEmpty)
  }

  @Test func whatWasUsedLongestAgoIsForgotten() throws {
    let small = DigestMemory(folder: place, settlingFor: 0, capacity: 2)
    let files = ["a", "b", "c"].map { folder.file("\($0).safetensors") }
    for copy in files { try FileManager.default.copyItem(atPath: file, toPath: copy) }
    #expect(try isComputed(small, path: files[0]))
    #expect(try isComputed(small, path: files[1]))
    for entry in entries() { #expect(utimensat(AT_FDCWD, entry, [timespec(), timespec()], 0) == 0) }
    #expect(try !isComputed(small, path: files[0]))
    #expect(try isComputed(small, path: files[2]))
    #expect(entries().count == 2)
    #expect(try !isComputed(small, path: files[0]))
    #expect(try isComputed(small, path: files[1]))
  }

  @Test func aPlaceThatCannotBeMadeIsNoError() throws {
    let nowhere = DigestMemory(folder: file + "/below/a/file", settlingFor: 0)
    #expect(try isComputed(nowhere))
    #expect(try isComputed(nowhere))
  }
}
