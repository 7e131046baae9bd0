import Glibc

/// Whole files, up to a limit.
package enum FileBytes {
  /// Why a file cannot be had.
  package enum Fault: Error, Equatable {
    /// The system's error; `EISDIR` for a folder and `EINVAL` for what else is no regular file.
    case unreadable(code: Int32)
    /// The file has more bytes than the limit.
    case tooLarge(bytes: Int)
  }

  /// The bytes of a regular file. A pipe or device is refused: it could be endless.
  /// - Parameters:
  ///   - path: where it is.
  ///   - limit: a larger file is refused before memory is taken for it.
  ///   - first: only so many of its bytes.
  /// - Throws: `Fault`
  package static func read(_ path: String, limit: Int, first: Int = .max) throws(Fault) -> [UInt8] {
    // Without O_NONBLOCK, opening a pipe that nobody writes would wait for ever.
    let descriptor = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC)
    guard descriptor >= 0 else { throw .unreadable(code: errno) }
    defer { close(descriptor) }
    var status = stat()
    guard fstat(descriptor, &status) == 0 else { throw .unreadable(code: errno) }
    guard status.st_mode & S_IFMT == S_IFREG else {
      throw .unreadable(code: status.st_mode & S_IFMT == S_IFDIR ? EISDIR : EINVAL)
    }
    guard Int(status.st_size) <= limit else { throw .tooLarge(bytes: Int(status.st_size)) }
    let size = min(Int(status.st_size), first)
    var code: Int32 = 0
    let bytes = [UInt8](unsafeUninitializedCapacity: size) { target, filled in
      guard let base = target.baseAddress else { return }
      while filled < size {
        let step = Glibc.read(descriptor, base + filled, size - filled)
        if step < 0, errno == EINTR { continue }
        if step < 0 { code = errno }
        if step <= 0 { break }
        filled += step
      }
    }
    guard code == 0 else { throw .unreadable(code: code) }
    return bytes
  }
}
