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
  private let opened: Identity

  /// Identifies a file in one state.
  private struct Identity {
    /// Changed by every write, unless the time is set back afterwards.
    private let content: [Int]
    /// May change without a change of the content.
    private let entry: [Int]
    /// The time of the last change of either. No program can set it back.
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

    /// Whether the content can still be the same. Deleting, replacing and changing the owner show in the entry. If the
    /// file changed and the entry did not, the content changed.
    func holds(_ now: Identity) -> Bool {
      content == now.content && (changed == now.changed || entry != now.entry)
    }
  }

  /// Opens a regular file within `Confinement.models`. `purpose` completes the message if the file is missing.
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
    // If the file was written to meanwhile, old and new bytes are mixed. Nothing is returned then.
    var status = stat()
    guard fstat(descriptor, &status) == 0, opened.holds(Identity(status)) else {
      throw CheckpointError.changed(path: path)
    }
  }

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
    guard fstat(descriptor, &open) == 0, opened.holds(Identity(open)),
      let named = (try? Confinement.models.look(path))?.status, opened.holds(Identity(named))
    else { throw CheckpointError.changed(path: path) }
  }
}
