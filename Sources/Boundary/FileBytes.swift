import Glibc

/// Whole files, up to a limit.
package enum FileBytes {
  /// Why a file cannot be read.
  package enum Fault: Error, Equatable {
    /// The system's error. It is `EISDIR` for a folder, and `EINVAL` for a pipe, socket or device.
    case unreadable(code: Int32)
    /// The file is in none of the allowed folders.
    case outside
    /// The file has more bytes than the limit.
    case tooLarge(bytes: Int)
  }

  /// The bytes of a regular file. A pipe or device is refused, because it could be endless.
  /// - Parameters:
  ///   - path: the file's path.
  ///   - limit: a larger file is refused before memory is taken for it.
  ///   - first: reads only this many bytes.
  ///   - confinement: the folders that the file may be in.
  /// - Throws: `Fault`
  package static func read(
    _ path: String, limit: Int, first: Int = .max, within confinement: Confinement = .none
  )
    throws(Fault) -> [UInt8]
  {
    let found = try opened(path, confinement)
    guard found.isRegular else { throw .unreadable(code: found.isFolder ? EISDIR : EINVAL) }
    let status = found.status
    let descriptor = found.take()
    defer { close(descriptor) }
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

  private static func opened(_ path: String, _ confinement: Confinement) throws(Fault) -> FoundFile {
    do throws(OpenFailure) {
      return try confinement.open(path)
    } catch {
      switch error {
      case .outside: throw .outside
      case .exchanged: throw .unreadable(code: ESTALE)
      case .refused(let code): throw .unreadable(code: code)
      }
    }
  }
}
