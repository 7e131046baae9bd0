import Boundary
import Glibc

/// A file on its way from a shared place to the cache: the bytes so far, and their digest. A later try goes on with what
/// an earlier one left. It gets its name only if the digest is right.
final class IncomingFile {
  /// The limits of what is taken.
  struct Limits {
    /// Bytes.
    let most: Int
    /// Asked at every piece; throws to end it.
    let goOn: () throws -> Void
  }

  private let path: String
  private let name: String
  private let descriptor: Int32
  private let limits: Limits
  private var digest: Digest? = Digest()
  /// The bytes so far.
  private(set) var count = 0
  /// As the place says; nil: it has not yet.
  private var total: Int?

  /// Opens what an earlier try left, or begins.
  /// - Parameters:
  ///   - path: of the unfinished file. The caller has its lock.
  ///   - name: what a person calls it.
  ///   - limits: of what is taken.
  /// - Throws: `SharedError.file`, and what the limits throw.
  init(path: String, name: String, limits: Limits) throws {
    descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
    guard descriptor >= 0 else { throw SharedError.file(path: path, reason: SharedError.lastReason) }
    self.path = path
    self.name = name
    self.limits = limits
    var status = stat()
    guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
      throw SharedError.file(path: path, reason: "is no file: remove it")
    }
    // Of a large one this takes a while.
    try FolderStore.pieces(of: descriptor, from: 0, path) { bytes in
      try limits.goOn()
      digest?.add(bytes)
      count += bytes.count
    }
  }

  deinit { close(descriptor) }

  /// Checks the size that the place says, before any byte is taken.
  /// - Throws: `SharedError.tooLarge`, `.noRoom`
  func expect(total: Int) throws {
    guard total <= limits.most else {
      throw SharedError.tooLarge(name: name, bytes: total, most: limits.most)
    }
    if count > total { try restart() }
    var status = statvfs()
    if fstatvfs(descriptor, &status) == 0 {
      let (free, overflow) = Int(status.f_bavail).multipliedReportingOverflow(by: Int(status.f_frsize))
      guard overflow || total - count <= free else { throw noRoom(total - count) }
    }
    self.total = total
  }

  /// Whether all bytes are here that the place says there are.
  var isWhole: Bool { total == count }

  /// Forgets all bytes.
  /// - Throws: `SharedError.file`
  func restart() throws {
    guard ftruncate(descriptor, 0) == 0 else {
      throw SharedError.file(path: path, reason: SharedError.lastReason)
    }
    count = 0
    digest = Digest()
  }

  /// Adds bytes at the end.
  /// - Throws: `SharedError`, and what the caller's limits throw.
  func append(_ bytes: UnsafeRawBufferPointer) throws {
    try limits.goOn()
    guard let total, count + bytes.count <= total else {
      throw SharedError.tooLarge(name: name, bytes: count + bytes.count, most: total ?? 0)
    }
    var done = 0
    while done < bytes.count {
      let rest = UnsafeRawBufferPointer(rebasing: bytes[done...])
      let step = pwrite(descriptor, rest.baseAddress, rest.count, off_t(count + done))
      if step < 0, errno == EINTR { continue }
      guard step > 0 else {
        throw errno == ENOSPC || errno == EDQUOT
          ? noRoom(total - count) : SharedError.file(path: path, reason: SharedError.lastReason)
      }
      done += step
    }
    digest?.add(bytes)
    count += bytes.count
  }

  /// The SHA-256 of all bytes. None may be added afterwards.
  func hash() -> String { digest.take()?.hexadecimal() ?? "" }

  /// Gives the file its name, after its bytes are on the disk.
  /// - Throws: `SharedError.file`
  func publish(as name: String) throws {
    guard fsync(descriptor) == 0, rename(path, name) == 0 else {
      throw SharedError.file(path: name, reason: SharedError.lastReason)
    }
  }

  /// Removes the unfinished file.
  func remove() { unlink(path) }

  /// What fills the disk is not kept.
  private func noRoom(_ needed: Int) -> SharedError {
    unlink(path)
    return .noRoom(folder: path, needed: needed)
  }
}
