import Boundary
import CommandLine
import Glibc

/// Folders that are made.
enum NewFolder {
  /// Makes a folder, and those above it that are not there.
  /// - Parameters:
  ///   - path: absolute.
  ///   - mode: the rights of new ones.
  /// - Throws: `Problem` that names the folder.
  static func make(_ path: String, mode: mode_t = 0o777) throws {
    if mkdir(path, mode) == 0 || isFolder(path) { return }
    var code = errno
    let above = path.pathNames.filter { !$0.isEmpty }.dropLast()
    if code == ENOENT, !above.isEmpty {
      try make("/" + above.joined(separator: "/"), mode: mode)
      if mkdir(path, mode) == 0 || isFolder(path) { return }
      code = errno
    }
    throw Problem.failed("the folder \(path) cannot be made: \(String(cString: strerror(code)))")
  }

  /// Leaves `errno` as it is unless there is a folder.
  private static func isFolder(_ path: String) -> Bool {
    let code = errno
    var status = stat()
    if stat(path, &status) == 0, status.st_mode & S_IFMT == S_IFDIR { return true }
    errno = code
    return false
  }
}
