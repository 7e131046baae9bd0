import Boundary
import Checkpoints
import Glibc

/// An unfinished download: the bytes so far, and their hash. It gets its final name only if the hash is right. A later
/// try continues it.
final class PartFile {
  let path: String
  private let descriptor: Int32
  private let content: RemoteFile.Content?
  private let size: Int?
  private let isOurs: Bool
  private var digest: Digest?
  /// The number of bytes so far.
  private(set) var count = 0
  private var isKept = true

  /// Opens the unfinished download of a file, or begins one.
  /// - Parameters:
  ///   - content: the hash that the whole file must have; nil if it is unknown. Then a SHA-256 is computed.
  ///   - size: the size of the whole file, if known.
  /// - Throws: `HubError.file`
  init(path: String, content: RemoteFile.Content?, size: Int?) throws(HubError) {
    self.content = content
    self.size = size
    var place = path + ".segmoe.incomplete"
    var descriptor = open(place, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o666)
    guard descriptor >= 0 else { throw .system(place) }
    isOurs = flock(descriptor, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK
    if !isOurs {
      // Another program writes to it although we hold the lock. Some file systems give a lock twice.
      close(descriptor)
      place = path + "." + String(UInt32.random(in: 0x1000_0000 ... .max), radix: 16) + ".incomplete"
      descriptor = open(place, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0o666)
      guard descriptor >= 0 else { throw .system(place) }
    }
    self.path = place
    self.descriptor = descriptor
    try takeUp()
  }

  deinit {
    close(descriptor)
    if !isOurs, isKept { unlink(path) }
  }

  /// Hashes the bytes that an earlier try left.
  private func takeUp() throws(HubError) {
    var status = stat()
    guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
      throw .file(path: path, reason: "no regular file")
    }
    let length = Int(status.st_size)
    if let size, length > size { return try restart() }
    beginDigest()
    let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 20, alignment: 64)
    defer { buffer.deallocate() }
    while count < length {
      let got = pread(descriptor, buffer.baseAddress, min(buffer.count, length - count), off_t(count))
      if got < 0, errno == EINTR { continue }
      guard got > 0 else { throw .system(path) }
      digest?.add(UnsafeRawBufferPointer(rebasing: buffer[..<got]))
      count += got
    }
  }

  private func beginDigest() {
    switch content {
    case .sha256, nil: digest = Digest(.sha256)
    case .git:
      var git = Digest(.sha1)
      git.add(Array("blob \(size ?? 0)\0".utf8))
      digest = consume git
    }
  }

  /// Discards all bytes.
  /// - Throws: `HubError.file`
  func restart() throws(HubError) {
    guard ftruncate(descriptor, 0) == 0 else { throw .system(path) }
    count = 0
    beginDigest()
  }

  /// Adds bytes at the end.
  /// - Throws: `HubError.file`, `HubError.noRoom`
  func append(_ bytes: UnsafeRawBufferPointer) throws(HubError) {
    var done = 0
    while done < bytes.count {
      let rest = UnsafeRawBufferPointer(rebasing: bytes[done...])
      let written = pwrite(descriptor, rest.baseAddress, rest.count, off_t(count + done))
      if written < 0, errno == EINTR { continue }
      guard written > 0 else {
        guard errno == ENOSPC || errno == EDQUOT else { throw .system(path) }
        throw .noRoom(
          folder: path, needed: max(0, (size ?? 0) - count - done), free: FreeSpace.bytes(at: path) ?? 0)
      }
      done += written
    }
    digest?.add(bytes)
    count += bytes.count
  }

  /// The hash of all bytes. No bytes may be added afterwards.
  func hash() -> String { digest.take()?.hexadecimal() ?? "" }

  /// What the file is if it is not a safetensors file; nil if it looks like one.
  func faultAsSafetensors() -> String? {
    var head = [UInt8](repeating: 0, count: 9)
    guard pread(descriptor, &head, 9, 0) == 9 else { return "a file of \(count) bytes" }
    if head.starts(with: [0x50, 0x4B]) || head.starts(with: [0x80, 0x02]) { return "a pickle" }
    if head.first == UInt8(ascii: "<") { return "a web page" }
    let length = head[..<8].reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
    guard length <= min(100_000_000, UInt64(count)), head[8] == UInt8(ascii: "{") else {
      return "something else"
    }
    return nil
  }

  /// Gives the file its final name, after its bytes are on the disk.
  /// - Throws: `HubError.file`
  func publish(as name: String) throws(HubError) {
    let mask = umask(0o022)
    umask(mask)
    guard fsync(descriptor) == 0, fchmod(descriptor, 0o666 & ~mask) == 0, rename(path, name) == 0 else {
      throw .system(path)
    }
    isKept = false
    Folder.sync(of: name)
  }

  /// Removes the unfinished file.
  func remove() {
    unlink(path)
    isKept = false
  }
}
