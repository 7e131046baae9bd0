import Glibc

/// Whole files, up to a limit.
enum FileBytes {
  /// The bytes of a regular file. A pipe or device is refused: it could be endless.
  /// - Parameter first: only so many of them.
  static func read(_ path: String, limit: Int, first: Int = .max) throws(ImageError) -> [UInt8] {
    // Without O_NONBLOCK, opening a pipe that nobody writes would wait for ever.
    let descriptor = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC)
    guard descriptor >= 0 else { throw .unreadable(path: path, code: errno) }
    defer { close(descriptor) }
    var status = stat()
    guard fstat(descriptor, &status) == 0 else { throw .unreadable(path: path, code: errno) }
    guard status.st_mode & S_IFMT == S_IFREG else {
      throw .unreadable(path: path, code: status.st_mode & S_IFMT == S_IFDIR ? EISDIR : EINVAL)
    }
    guard Int(status.st_size) <= limit else {
      throw .tooManyBytes(name: path, bytes: Int(status.st_size), limit: limit)
    }
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
    guard code == 0 else { throw .unreadable(path: path, code: code) }
    return bytes
  }
}
