import Glibc

/// The file for a command's result. It is checked before the work begins, so that a wrong name does not waste a minute
/// of rendering.
///
/// A new name gets the file whole or not at all. A file that exists is replaced only if a person said so, or if it is
/// one that the command makes again. What is no plain file (a device, a FIFO, `/dev/stdout`) is written to and stays
/// what it is. A link is followed.
package struct OutputFile: Sendable, Equatable {
  /// The path as it was given.
  package let path: String
  /// The path that is written to: the end of a chain of links, or the path itself.
  private let target: String
  /// Whether the target is a device or a pipe, which is written to in place.
  private let isStream: Bool

  /// - Parameters:
  ///   - path: relative to the current folder, or absolute.
  ///   - force: whether an existing file may be replaced.
  ///   - isOurs: whether that file may be replaced all the same.
  /// - Throws: `ImageError.outputExists`, `.isFolder`, `.folderMissing`, `.notWritable`.
  package init(
    _ path: String, force: Bool, orIf isOurs: (String) -> Bool = { _ in false }
  ) throws(ImageError) {
    self.path = path
    var status = stat()
    guard stat(path, &status) == 0 else {
      guard errno == ENOENT else { throw ImageError.opening(path, code: errno) }
      target = try Self.newTarget(path)
      isStream = false
      return
    }
    switch status.st_mode & S_IFMT {
    case S_IFDIR: throw .isFolder(path: path)
    case S_IFREG:
      guard force || isOurs(path) else { throw .outputExists(path: path) }
      target = Self.resolved(path) ?? path
      isStream = false
      try Self.checkFolder(of: target)
    default:
      guard access(path, W_OK) == 0 else { throw ImageError.opening(path, code: errno) }
      target = path
      isStream = true
    }
  }

  /// - Throws: `ImageError`, for example for a full disk.
  package func write(_ bytes: [UInt8]) throws(ImageError) {
    guard isStream else { return try AtomicFile.write(bytes, to: target) }
    let descriptor = open(target, O_WRONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw ImageError.writing(path: path, call: "open", code: errno) }
    defer { close(descriptor) }
    try AtomicFile.fill(descriptor, with: bytes, path: path)
  }

  /// The path of a file that does not exist yet. For a link without a target, it is the path that the link has.
  private static func newTarget(_ path: String) throws(ImageError) -> String {
    var place = path
    // Linux follows as many links.
    for _ in 0..<40 {
      guard let next = linked(from: place) else {
        try checkFolder(of: place)
        return place
      }
      place = next.hasPrefix("/") ? next : AtomicFile.split(place).folder + "/" + next
    }
    throw .writeFailed(path: path, call: "open", code: ELOOP)
  }

  private static func checkFolder(of path: String) throws(ImageError) {
    let folder = AtomicFile.split(path).folder
    var status = stat()
    guard stat(folder, &status) == 0, status.st_mode & S_IFMT == S_IFDIR else {
      throw .folderMissing(folder: folder)
    }
    guard access(folder, W_OK | X_OK) == 0 else { throw .notWritable(path: folder, code: errno) }
  }

  /// The target of a link; nil if the path is no link.
  private static func linked(from path: String) -> String? {
    withUnsafeTemporaryAllocation(of: CChar.self, capacity: Int(PATH_MAX)) { buffer in
      guard let base = buffer.baseAddress else { return nil }
      let length = readlink(path, base, buffer.count)
      guard length > 0 else { return nil }
      return String(decoding: UnsafeRawBufferPointer(start: base, count: length), as: UTF8.self)
    }
  }

  private static func resolved(_ path: String) -> String? {
    guard let found = realpath(path, nil) else { return nil }
    defer { free(found) }
    return String(cString: found)
  }
}
