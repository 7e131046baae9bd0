import Foundation
import Images
import TestSupport
import Testing

/// Where commands put their results: what exists stays unless a person said so.
@Suite struct OutputFileTests {
  private let place: TemporaryFolder
  private var folder: String { place.path }

  init() throws { place = try TemporaryFolder() }

  private func bytes(_ path: String) throws -> [UInt8] {
    try Array(Data(contentsOf: URL(fileURLWithPath: path)))
  }

  private func kind(_ path: String) -> mode_t {
    var status = stat()
    return lstat(path, &status) == 0 ? status.st_mode & S_IFMT : 0
  }

  @Test func aNewFileIsWritten() throws {
    try OutputFile(folder + "/new", force: false).write([1, 2, 3])
    #expect(try bytes(folder + "/new") == [1, 2, 3])
  }

  @Test func aFileThatExistsNeedsForce() throws {
    let path = folder + "/there"
    try OutputFile(path, force: false).write([1])
    #expect(throws: ImageError.outputExists(path: path)) { try OutputFile(path, force: false) }
    try OutputFile(path, force: true).write([2, 2])
    #expect(try bytes(path) == [2, 2])
  }

  @Test func aLinkIsFollowedAndStays() throws {
    let (link, end) = (folder + "/link", folder + "/end")
    #expect(symlink("end", link) == 0)
    try OutputFile(link, force: false).write([7])
    #expect(try bytes(end) == [7] && kind(link) == S_IFLNK)
    #expect(throws: ImageError.outputExists(path: link)) { try OutputFile(link, force: false) }
    try OutputFile(link, force: true).write([8])
    #expect(try bytes(end) == [8] && kind(link) == S_IFLNK && kind(end) == S_IFREG)
    #expect(symlink("round", folder + "/round") == 0)
    #expect(throws: ImageError.self) { try OutputFile(self.folder + "/round", force: true) }
  }

  @Test func aDeviceStaysADevice() throws {
    try OutputFile("/dev/null", force: false).write([1, 2])
    #expect(kind("/dev/null") == S_IFCHR)
  }

  @Test func aPipeGetsTheBytes() throws {
    let path = folder + "/pipe"
    #expect(mkfifo(path, 0o600) == 0)
    let reader = open(path, O_RDONLY | O_NONBLOCK)
    defer { close(reader) }
    try OutputFile(path, force: false).write([5, 6, 7])
    var found = [UInt8](repeating: 0, count: 8)
    #expect(read(reader, &found, 8) == 3 && Array(found.prefix(3)) == [5, 6, 7])
    #expect(kind(path) == S_IFIFO)
  }

  @Test func aPlaceThatCannotBeIsNamedAtOnce() {
    #expect(throws: ImageError.isFolder(path: folder)) { try OutputFile(self.folder, force: true) }
    #expect(throws: ImageError.folderMissing(folder: folder + "/none")) {
      try OutputFile(self.folder + "/none/x", force: false)
    }
    #expect(throws: ImageError.folderMissing(folder: "/dev/null")) {
      try OutputFile("/dev/null/x", force: false)
    }
  }
}
