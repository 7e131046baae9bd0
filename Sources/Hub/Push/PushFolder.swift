import Foundation
import Glibc
import Requests

/// A file to push.
struct LocalFile: Sendable, Equatable {
  /// The path in the folder, and in the repository.
  let path: String
  /// The file's path on this machine; nil for content without a file.
  let place: String?
  /// The content, if there is no file.
  let content: [UInt8]
  /// The size in bytes.
  let size: Int
  /// Device, inode and time of the last change. A file that changes while it is sent is an error.
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

  /// A file that is only in the commit.
  init(path: String, content: [UInt8]) {
    self.path = path
    place = nil
    self.content = content
    size = content.count
    identity = []
  }

  /// - Throws: `HubError.file` if the file has changed since it was listed.
  func checkUnchanged() throws(HubError) {
    guard let place else { return }
    guard try LocalFile(path: path, place: place).identity == identity else {
      throw .file(path: place, reason: "it changed while it was being sent; push again")
    }
  }

  /// Opens the file and calls `body` with the descriptor.
  /// - Throws: `HubError.file`
  func read<Result>(_ body: (Int32) throws -> Result) throws -> Result {
    let descriptor = open(place ?? "", O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw HubError.system(place ?? path) }
    defer { close(descriptor) }
    return try body(descriptor)
  }

  /// The file's first bytes, or all bytes of a small file.
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

/// The files of a folder that are pushed: all regular files, and the targets of links to files, except those in
/// `always`.
package struct PushFolder {
  /// The files, sorted by path.
  let files: [LocalFile]

  /// Patterns of files that are never pushed: those that `upload_folder` leaves out, and files that programs leave
  /// behind.
  private static let always = [
    ".git/*", "*/.git/*", ".cache/*", "*/.cache/*", "*.incomplete", ".DS_Store", "*/.DS_Store",
  ]

  /// - Parameter ignore: patterns as of Python's `fnmatch`, for paths in the folder. `*` matches slashes, too. A slash
  ///   at the end means everything below a folder.
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

  /// Whether a path matches one of the patterns.
  package static func matches(_ path: String, _ patterns: [String]) -> Bool {
    // Python's patterns have no escapes.
    patterns.contains { fnmatch($0, path, FNM_NOESCAPE) == 0 }
  }
}
