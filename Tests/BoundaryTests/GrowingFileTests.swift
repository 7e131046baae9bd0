import Boundary
import Foundation
import TestSupport
import Testing

/// What downloads of hubs and of shared places have in common.
@Suite struct GrowingFileTests {
  private let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  private func file(
    hashing algorithm: Digest.Algorithm = .sha256, after prefix: String = "", atMost limit: Int? = nil
  ) throws -> GrowingFile {
    let path = folder.file("part")
    let file = try GrowingFile(
      taking: open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600), path: path, hashing: algorithm,
      after: Array(prefix.utf8))
    try file.takeUp(atMost: limit)
    return file
  }

  private func append(_ text: String, to file: GrowingFile) throws {
    try Array(text.utf8).withUnsafeBytes { try file.append($0) }
  }

  /// The second try hashes what the first left, and the whole gets its name and its rights.
  @Test func aLaterTryGoesOn() throws {
    try append("a ", to: file())
    let second = try file(atMost: 5)
    #expect(second.count == 2)
    try append("fox", to: second)
    #expect(second.hash() == Digest.hexadecimal(of: Array("a fox".utf8)))
    try second.publish(as: folder.file("whole"), mode: 0o640)
    #expect(folder.names == ["whole"])
    #expect(try String(contentsOfFile: folder.file("whole"), encoding: .utf8) == "a fox")
    let rights = try FileManager.default.attributesOfItem(atPath: folder.file("whole"))[.posixPermissions]
    #expect(rights as? Int == 0o640)
  }

  /// More than the whole may have is of another file; and a whole one that is wrong begins again.
  @Test func itBeginsAgain() throws {
    try append("something longer", to: file())
    let second = try file(atMost: 5)
    #expect(second.count == 0)
    try append("wrong", to: second)
    try second.restart()
    try append("a fox", to: second)
    #expect(second.count == 5 && second.hash() == Digest.hexadecimal(of: Array("a fox".utf8)))
  }

  /// git's hash of a small file: `printf 'a fox' | git hash-object --stdin`.
  @Test func aPrefixIsHashedAsWell() throws {
    try append("a", to: file())
    let second = try file(hashing: .sha1, after: "blob 5\0")
    try append(" fox", to: second)
    #expect(second.hash() == "8d561060a7612fda02ff85db945203b20a08cb42")
    let third = try file(hashing: .sha1, after: "blob 5\0")
    try third.restart()
    try append("a fox", to: third)
    #expect(third.hash() == "8d561060a7612fda02ff85db945203b20a08cb42")
  }

  /// A device, a file that may not be written, and a name that cannot be had.
  @Test func faultsAreTold() throws {
    #expect(throws: GrowingFile.Fault.notRegular) {
      try GrowingFile(taking: open("/dev/null", O_RDWR | O_CLOEXEC), path: "/dev/null")
    }
    #expect(throws: GrowingFile.Fault.notRegular) {
      try GrowingFile(taking: open(folder.path, O_RDONLY | O_CLOEXEC), path: folder.path)
    }
    try folder.write("read", "bytes")
    let path = folder.file("read")
    let reading = try GrowingFile(taking: open(path, O_RDONLY | O_CLOEXEC), path: path)
    #expect(throws: CancellationError.self) { try reading.takeUp { throw CancellationError() } }
    try reading.takeUp()
    #expect(reading.count == 5)
    #expect(throws: GrowingFile.Fault.system(code: EBADF)) { try append("more", to: reading) }
    #expect(throws: GrowingFile.Fault.system(code: ENOENT)) {
      try file().publish(as: folder.file("none/whole"))
    }
  }
}
