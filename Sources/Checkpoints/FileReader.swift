import Boundary
import Glibc

/// One open file, read by position. It is not mapped: if a mapped file is cut, the process dies of SIGBUS.
/// Here, reading a file that has changed is an error.
package final class FileReader: Sendable {
  /// The path as given.
  package let path: String
  /// Bytes in the file when it was opened.
  package let size: Int
  private let descriptor: Int32
  private let opened: Identity

  /// Identifies one state of a file.
  private struct Identity {
    /// Every write changes this, unless somebody sets the time back.
    private let content: [Int]
    /// May change while the content does not.
    private let entry: [Int]
    /// When either of the two last changed. Nobody can set this back.
    private let changed: [Int]
    let size: Int

    init(_ status: stat) {
      size = Int(status.st_size)
      content = [
        Int(truncatingIfNeeded: status.st_dev), Int(truncatingIfNeeded: status.st_ino), size,
        Int(status.st_mtim.tv_sec), Int(status.st_mtim.tv_nsec),
      ]
      entry = [
        Int(truncatingIfNeeded: status.st_nlink), Int(status.st_mode), Int(status.st_uid), Int(status.st_gid),
      ]
      changed = [Int(status.st_ctim.tv_sec), Int(status.st_ctim.tv_nsec)]
    }

    /// Whether the content may still be the same. Deleting, renaming over and giving the file to another owner are
    /// visible in its entry. A change that none of these explains was a change of the content.
    func holds(_ now: Identity) -> Bool {
      content == now.content && (changed == now.changed || entry != now.entry)
    }
  }

  /// Opens a regular file within `Confinement.models`. `purpose` completes the message if it is not there.
  package init(path: String, purpose: String) throws {
    let found = try CheckpointError.naming(path, purpose) { () throws(OpenFailure) in
      try Confinement.models.open(path)
    }
    guard found.isRegular else { throw CheckpointError.unreadable(path: path, reason: "not a regular file") }
    opened = Identity(found.status)
    descriptor = found.take()
    self.path = path
    size = opened.size
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
    // A file written to in place would give a mixture of old and new bytes, so nothing is returned.
    var status = stat()
    guard fstat(descriptor, &status) == 0, opened.holds(Identity(status)) else {
      throw CheckpointError.changed(path: path)
    }
  }

  /// The whole file, unless it is larger than `limit` bytes.
  package func contents(limit: Int) throws -> [UInt8] {
    guard size <= limit else {
      throw CheckpointError.malformed(path: path, reason: "\(size) bytes, more than \(limit) for such a file")
    }
    return try [UInt8](unsafeUninitializedCapacity: size) { buffer, count in
      try read(into: UnsafeMutableRawBufferPointer(buffer), at: 0)
      count = size
    }
  }

  /// Fails with `changed` unless the path still leads to the very file that was opened, unmodified.
  package func verifyUnchanged() throws {
    var open = stat()
    guard fstat(descriptor, &open) == 0, opened.holds(Identity(open)),
      let named = (try? Confinement.models.look(path))?.status, opened.holds(Identity(named))
    else { throw CheckpointError.changed(path: path) }
  }
}
