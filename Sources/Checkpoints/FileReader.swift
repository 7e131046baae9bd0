import Boundary
import Glibc

/// An open file, read by position. Reading a file that has changed is an error. The file is not mapped: if somebody cut
/// a mapped file short, the process would die of SIGBUS.
package final class FileReader: Sendable {
  /// The path as given.
  package let path: String
  /// The file's size in bytes when it was opened.
  package let size: Int
  private let descriptor: Int32
  private let opened: FileIdentity
  /// Seconds since 1970.
  private let openedAt = time(nil)

  /// Opens a regular file within `Confinement.models`. `purpose` completes the message if the file is missing.
  package init(path: String, purpose: String) throws {
    let found = try CheckpointError.naming(path, purpose) { () throws(OpenFailure) in
      try Confinement.models.open(path)
    }
    guard found.isRegular else { throw CheckpointError.unreadable(path: path, reason: "not a regular file") }
    opened = found.identity
    size = Int(found.status.st_size)
    descriptor = found.take()
    self.path = path
  }

  deinit { close(descriptor) }

  /// Fills `buffer` from the byte at `offset`. The range must lie in the file as it was opened.
  /// - Throws: `changed` if the file is no longer the same, `unreadable` if the disk fails.
  package func read(into buffer: UnsafeMutableRawBufferPointer, at offset: Int) throws {
    var done = 0
    while done < buffer.count {
      let rest = UnsafeMutableRawBufferPointer(rebasing: buffer[done...])
      let count = pread(descriptor, rest.baseAddress, rest.count, off_t(offset + done))
      if count < 0 {
        if errno == EINTR { continue }
        throw CheckpointError.unreadable(path: path, reason: String(cString: strerror(errno)))
      }
      if count == 0 { throw CheckpointError.changed(path: path) }
      done += count
    }
    // If the file was written to meanwhile, old and new bytes are mixed. Nothing is returned then.
    var status = stat()
    guard fstat(descriptor, &status) == 0, opened.hasContent(of: FileIdentity(status)) else {
      throw CheckpointError.changed(path: path)
    }
  }

  /// Names the file in its state: another file, or this one after a write, has another mark.
  var mark: String { opened.mark }

  /// Whether it last changed at least so many seconds before it was opened.
  func isSettled(for seconds: Int) -> Bool { opened.lastChange <= openedAt - seconds }

  /// The whole file, which is a text, unless it is larger than `limit` bytes or plainly something else.
  /// - Throws: `malformed`, `lfsPointer`, `mistaken`, and what reading throws.
  package func text(limit: Int) throws -> [UInt8] {
    guard size <= limit else {
      throw CheckpointError.malformed(path: path, reason: "\(size) bytes, more than \(limit) for such a file")
    }
    let bytes = try [UInt8](unsafeUninitializedCapacity: size) { buffer, count in
      try read(into: UnsafeMutableRawBufferPointer(buffer), at: 0)
      count = size
    }
    try MistakenFile.refuse(text: bytes, path: path)
    return bytes
  }

  /// Fails with `changed` unless the path still leads to the same file in the same state.
  package func verifyUnchanged() throws {
    var open = stat()
    guard fstat(descriptor, &open) == 0, opened.hasContent(of: FileIdentity(open)),
      let named = (try? Confinement.models.look(path))?.status, opened.hasContent(of: FileIdentity(named))
    else { throw CheckpointError.changed(path: path) }
  }
}
