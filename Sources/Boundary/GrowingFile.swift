import Glibc

/// A file on its way here, which grows at its end, and the hash of all its bytes. A later try goes on with what an earlier
/// one left. It gets its name once it is whole.
package final class GrowingFile {
  /// What goes wrong with it.
  package enum Fault: Error, Equatable {
    /// It is a folder, a pipe or a device.
    case notRegular
    /// The disk is full, or the user's share of it.
    case full
    /// The system's error.
    case system(code: Int32)

    /// The fault of a writing call that has just failed.
    fileprivate static var last: Fault { errno == ENOSPC || errno == EDQUOT ? .full : .system(code: errno) }
  }

  package let path: String
  /// Closed with the last reference.
  package let descriptor: Int32
  private let algorithm: Digest.Algorithm
  private let prefix: [UInt8]
  private var digest: Digest?
  /// The bytes so far.
  package private(set) var count = 0

  /// Takes an open file. What is in it counts only once it is taken up.
  /// - Parameters:
  ///   - descriptor: opened for reading and writing.
  ///   - path: its name until it is whole.
  ///   - algorithm: of its hash.
  ///   - prefix: what is hashed before its bytes.
  /// - Throws: `Fault.notRegular`
  package init(
    taking descriptor: Int32, path: String, hashing algorithm: Digest.Algorithm = .sha256,
    after prefix: [UInt8] = []
  ) throws(Fault) {
    (self.path, self.descriptor, self.algorithm, self.prefix) = (path, descriptor, algorithm, prefix)
    var status = stat()
    guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else { throw .notRegular }
    beginDigest()
  }

  deinit { close(descriptor) }

  /// Hashes what an earlier try left in it. Call it first.
  /// - Parameters:
  ///   - limit: if more is in it, it is emptied: that is another file.
  ///   - goOn: called at every piece; throws to end it.
  /// - Throws: `Fault`, and what `goOn` throws.
  package func takeUp(atMost limit: Int? = nil, goOn: () throws -> Void = {}) throws {
    var status = stat()
    guard fstat(descriptor, &status) == 0 else { throw Fault.system(code: errno) }
    if let limit, Int(status.st_size) > limit { return try restart() }
    try Self.readPieces(of: descriptor, from: 0) { bytes in
      try goOn()
      digest?.add(bytes)
      count += bytes.count
    }
  }

  private func beginDigest() {
    var begun = Digest(algorithm)
    begun.add(prefix)
    digest = consume begun
  }

  /// Forgets all bytes.
  /// - Throws: `Fault`
  package func restart() throws(Fault) {
    guard ftruncate(descriptor, 0) == 0 else { throw .system(code: errno) }
    count = 0
    beginDigest()
  }

  /// Adds bytes at the end.
  /// - Throws: `Fault`
  package func append(_ bytes: UnsafeRawBufferPointer) throws(Fault) {
    var done = 0
    while done < bytes.count {
      let rest = UnsafeRawBufferPointer(rebasing: bytes[done...])
      let step = pwrite(descriptor, rest.baseAddress, rest.count, off_t(count + done))
      if step < 0, errno == EINTR { continue }
      guard step > 0 else { throw .last }
      done += step
    }
    digest?.add(bytes)
    count += bytes.count
  }

  /// The hash of the prefix and all bytes. None may be added afterwards.
  package func hash() -> String { digest.take()?.hexadecimal() ?? "" }

  /// Gives the file its name, after its bytes are on the disk.
  /// - Parameters:
  ///   - name: on the same disk.
  ///   - mode: its rights from then on; nil: as they are.
  /// - Throws: `Fault`
  package func publish(as name: String, mode: mode_t? = nil) throws(Fault) {
    guard fsync(descriptor) == 0, mode.map({ fchmod(descriptor, $0) == 0 }) ?? true, rename(path, name) == 0
    else { throw .last }
  }

  /// Removes the unfinished file.
  package func remove() { unlink(path) }

  /// Reads an open file, to its end or so many bytes, a megabyte at a time.
  /// - Parameters:
  ///   - descriptor: of the file.
  ///   - start: the first byte.
  ///   - count: bytes at most.
  ///   - body: gets the pieces in order.
  /// - Throws: `Fault`, and what `body` throws.
  package static func readPieces(
    of descriptor: Int32, from start: Int, count: Int = .max, _ body: (UnsafeRawBufferPointer) throws -> Void
  ) throws {
    let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 20, alignment: 64)
    defer { buffer.deallocate() }
    var offset = start
    while offset - start < count {
      let wanted = min(buffer.count, count - (offset - start))
      let got = pread(descriptor, buffer.baseAddress, wanted, off_t(offset))
      if got < 0, errno == EINTR { continue }
      guard got >= 0 else { throw Fault.system(code: errno) }
      guard got > 0 else { return }
      try body(UnsafeRawBufferPointer(rebasing: buffer[..<got]))
      offset += got
    }
  }
}
