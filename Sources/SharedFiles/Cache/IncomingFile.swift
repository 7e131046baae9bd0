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

  private let file: GrowingFile
  private let name: String
  private let limits: Limits
  /// As the place says; nil: it has not yet.
  private var total: Int?

  /// The bytes so far.
  var count: Int { file.count }

  /// Opens what an earlier try left, or begins.
  /// - Parameters:
  ///   - path: of the unfinished file. The caller has its lock.
  ///   - name: what a person calls it.
  ///   - limits: of what is taken.
  /// - Throws: `SharedError.file`, and what the limits throw.
  init(path: String, name: String, limits: Limits) throws {
    let descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
    guard descriptor >= 0 else { throw SharedError.file(path: path, reason: SharedError.lastReason) }
    self.name = name
    self.limits = limits
    do throws(GrowingFile.Fault) {
      file = try GrowingFile(taking: descriptor, path: path)
    } catch {
      throw SharedError(error, path)
    }
    do {
      // Of a large one this takes a while.
      try file.takeUp(goOn: limits.goOn)
    } catch let fault as GrowingFile.Fault {
      throw SharedError(fault, path)
    }
  }

  /// Checks the size that the place says, before any byte is taken.
  /// - Throws: `SharedError.tooLarge`, `.noRoom`
  func expect(total: Int) throws {
    guard total <= limits.most else {
      throw SharedError.tooLarge(name: name, bytes: total, most: limits.most)
    }
    if count > total { try restart() }
    var status = statvfs()
    if fstatvfs(file.descriptor, &status) == 0 {
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
    do throws(GrowingFile.Fault) { try file.restart() } catch { throw SharedError(error, file.path) }
  }

  /// Adds bytes at the end.
  /// - Throws: `SharedError`, and what the caller's limits throw.
  func append(_ bytes: UnsafeRawBufferPointer) throws {
    try limits.goOn()
    guard let total, count + bytes.count <= total else {
      throw SharedError.tooLarge(name: name, bytes: count + bytes.count, most: total ?? 0)
    }
    do throws(GrowingFile.Fault) {
      try file.append(bytes)
    } catch {
      throw error == .full ? noRoom(total - count) : SharedError(error, file.path)
    }
  }

  /// The SHA-256 of all bytes. None may be added afterwards.
  func hash() -> String { file.hash() }

  /// Gives the file its name, after its bytes are on the disk.
  /// - Throws: `SharedError.file`
  func publish(as name: String) throws {
    do throws(GrowingFile.Fault) { try file.publish(as: name) } catch { throw SharedError(error, name) }
  }

  /// Removes the unfinished file.
  func remove() { file.remove() }

  /// What fills the disk is not kept.
  private func noRoom(_ needed: Int) -> SharedError {
    file.remove()
    return .noRoom(folder: file.path, needed: needed)
  }
}

extension SharedError {
  /// A fault of a file on this machine.
  init(_ fault: GrowingFile.Fault, _ path: String) {
    let reason =
      switch fault {
      case .notRegular: "is no file: remove it"
      case .full: String(cString: strerror(ENOSPC))
      case .system(let code): String(cString: strerror(code))
      }
    self = .file(path: path, reason: reason)
  }
}
