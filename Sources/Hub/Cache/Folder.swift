import Boundary
import Glibc

/// Folders of the caches.
enum Folder {
  /// Makes a folder and the folders above it.
  /// - Throws: `HubError.file`
  static func make(_ path: String) throws(HubError) {
    if mkdir(path, 0o777) == 0 || errno == EEXIST { return }
    let parent = Self.parent(of: path)
    guard errno == ENOENT, parent != path else { throw .system(path) }
    try make(parent)
    guard mkdir(path, 0o777) == 0 || errno == EEXIST else { throw .system(path) }
  }

  /// Whether a folder can be written to. If it does not exist, whether it can be made.
  static func isWritable(_ path: String) -> Bool {
    var place = path
    while access(place, F_OK) != 0, errno == ENOENT, parent(of: place) != place { place = parent(of: place) }
    return access(place, W_OK) == 0
  }

  /// The folder that a path lies in.
  static func parent(of path: String) -> String {
    guard let slash = path.lastSlash else { return "." }
    return slash == path.startIndex ? "/" : String(path[..<slash])
  }

  /// Writes a folder's entries to the disk. Some file systems cannot do that; then nothing happens.
  static func sync(of path: String) {
    let descriptor = open(parent(of: path), O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard descriptor >= 0 else { return }
    fsync(descriptor)
    close(descriptor)
  }

  /// Writes a small file as a whole or not at all. `temporary` must be on the same disk.
  /// - Throws: `HubError.file`
  static func write(_ text: String, to path: String, temporary: String) throws(HubError) {
    let descriptor = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0o666)
    guard descriptor >= 0 else { throw .system(temporary) }
    var bytes = Array(text.utf8)[...]
    while !bytes.isEmpty {
      let written = bytes.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
      if written < 0, errno == EINTR { continue }
      guard written > 0 else {
        let error = HubError.system(temporary)
        close(descriptor)
        unlink(temporary)
        throw error
      }
      bytes = bytes.dropFirst(written)
    }
    close(descriptor)
    guard rename(temporary, path) == 0 else {
      let error = HubError.system(path)
      unlink(temporary)
      throw error
    }
  }

  /// The size of a regular file, with links followed; nil for anything else.
  static func size(of path: String) -> Int? {
    var status = stat()
    guard stat(path, &status) == 0, status.st_mode & S_IFMT == S_IFREG else { return nil }
    return Int(status.st_size)
  }

  /// Whether the path is a link itself.
  static func isLink(_ path: String) -> Bool {
    var status = stat()
    return lstat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFLNK
  }
}

/// Free space on a disk.
package enum FreeSpace {
  /// The free bytes on the disk of a path, which need not exist yet; nil if the system does not tell.
  package static func bytes(at path: String) -> Int? {
    var status = statvfs()
    var place = path
    while statvfs(place, &status) != 0 {
      let parent = Folder.parent(of: place)
      guard errno == ENOENT || errno == ENOTDIR, parent != place else { return nil }
      place = parent
    }
    let (bytes, overflow) = Int(status.f_bavail).multipliedReportingOverflow(by: Int(status.f_frsize))
    return overflow ? .max : bytes
  }
}
