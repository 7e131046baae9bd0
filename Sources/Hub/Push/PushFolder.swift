import Foundation
import Glibc
import Requests

/// A file to push.
struct LocalFile: Sendable, Equatable {
  /// Within the folder, and within the repository.
  let path: String
  /// On this machine; nil for content that no file holds.
  let place: String?
  /// The content that no file holds.
  let content: [UInt8]
  /// Bytes.
  let size: Int
  /// Device, inode and time of the last change: a file that changes while it is sent is an error.
  let identity: [Int]

  /// - Throws: `HubError.file` for anything but a regular file.
  init(path: String, place: String) throws(HubError) {
    var status = stat()
    guard stat(place, &status) == 0 else { throw .system(place) }
    guard status.st_mode & S_IFMT == S_IFREG else { throw .file(path: place, reason: "no regular file") }
    self.path = path
    self.place = place
    content = []
    size = Int(status.st_size)
    identity = [
      Int(truncatingIfNeeded: status.st_dev), Int(truncatingIfNeeded: status.st_ino), size,
      Int(status.st_mtim.tv_sec), Int(status.st_mtim.tv_nsec),
    ]
  }

  /// A file that is only written into the commit.
  init(path: String, content: [UInt8]) {
    self.path = path
    place = nil
    self.content = content
    size = content.count
    identity = []
  }

  /// - Throws: `HubError.file` if the file is another one than when it was listed.
  func checkUnchanged() throws(HubError) {
    guard let place else { return }
    guard try LocalFile(path: path, place: place).identity == identity else {
      throw .file(path: place, reason: "it changed while it was being sent; push again")
    }
  }

  /// Opens it to read.
  /// - Throws: `HubError.file`
  func read<Result>(_ body: (Int32) throws -> Result) throws -> Result {
    let descriptor = open(place ?? "", O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw HubError.system(place ?? path) }
    defer { close(descriptor) }
    return try body(descriptor)
  }

  /// Its first bytes, or all of a small one.
  /// - Throws: `HubError.file`
  func bytes(upTo count: Int) throws -> [UInt8] {
    if place == nil { return Array(content.prefix(count)) }
    return try read { descriptor in
      var bytes = [UInt8](repeating: 0, count: min(count, size))
      var done = 0
      while done < bytes.count {
        let got = bytes.withUnsafeMutableBytes { buffer in
          pread(descriptor, buffer.baseAddress?.advanced(by: done), buffer.count - done, off_t(done))
        }
        if got < 0, errno == EINTR { continue }
        guard got > 0 else {
          throw HubError.file(path: place ?? path, reason: "it became shorter while it was read")
        }
        done += got
      }
      return bytes
    }
  }
}

/// What of a folder is pushed: all regular files, links to files followed, but for what nobody wants on a hub.
package struct PushFolder {
  /// Sorted by path.
  let files: [LocalFile]

  /// What `upload_folder` leaves out, and what programs leave behind.
  private static let always = [
    ".git/*", "*/.git/*", ".cache/*", "*/.cache/*", "*.incomplete", ".DS_Store", "*/.DS_Store",
  ]

  /// - Parameter ignore: Python's `fnmatch`, on paths within the folder: `*` crosses slashes, a slash at the end
  ///   means everything below.
  /// - Throws: `HubError.file`
  init(_ folder: String, ignore: [String]) throws(HubError) {
    var status = stat()
    guard stat(folder, &status) == 0 else { throw .system(folder) }
    guard status.st_mode & S_IFMT == S_IFDIR else { throw .file(path: folder, reason: "no folder") }
    let patterns = Self.always + ignore.map { $0.hasSuffix("/") ? $0 + "*" : $0 }
    guard let walk = FileManager.default.enumerator(atPath: folder) else { throw .system(folder) }
    var files: [LocalFile] = []
    for case let path as String in walk where !Self.matches(path, patterns) {
      let place = "\(folder)/\(path)"
      var status = stat()
      guard stat(place, &status) == 0 else { throw .system(place) }
      if status.st_mode & S_IFMT == S_IFREG { files.append(try LocalFile(path: path, place: place)) }
    }
    self.files = files.sorted { $0.path < $1.path }
  }

  /// Whether a path fits one of the patterns.
  package static func matches(_ path: String, _ patterns: [String]) -> Bool {
    // Python knows no escapes.
    patterns.contains { fnmatch($0, path, FNM_NOESCAPE) == 0 }
  }
}
