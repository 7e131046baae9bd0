import Boundary
import Checkpoints
import Glibc

/// An unfinished download: the bytes so far, and their hash. It gets its final name only if the hash is right. A later
/// try continues it.
final class PartFile {
  private let file: GrowingFile
  private let size: Int?
  private let isOurs: Bool
  private var isKept = true

  /// The number of bytes so far.
  var count: Int { file.count }

  /// Opens the unfinished download of a file, or begins one.
  /// - Parameters:
  ///   - path: of the whole file.
  ///   - content: the hash that the whole file must have; nil if it is unknown. Then a SHA-256 is computed.
  ///   - size: the size of the whole file, if known.
  /// - Throws: `HubError.file`
  init(path: String, content: RemoteFile.Content?, size: Int?) throws(HubError) {
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
    do throws(GrowingFile.Fault) {
      switch content {
      case .sha256, nil: file = try GrowingFile(taking: descriptor, path: place)
      case .git:
        let head = Array("blob \(size ?? 0)\0".utf8)
        file = try GrowingFile(taking: descriptor, path: place, hashing: .sha1, after: head)
      }
    } catch {
      if !isOurs { unlink(place) }
      throw HubError(error, place)
    }
    do {
      try file.takeUp(atMost: size)
    } catch {
      throw HubError(error as? GrowingFile.Fault ?? .system(code: EIO), place)
    }
  }

  deinit {
    if !isOurs, isKept { file.remove() }
  }

  /// Discards all bytes.
  /// - Throws: `HubError.file`
  func restart() throws(HubError) {
    do throws(GrowingFile.Fault) { try file.restart() } catch { throw HubError(error, file.path) }
  }

  /// Adds bytes at the end.
  /// - Throws: `HubError.file`, `HubError.noRoom`
  func append(_ bytes: UnsafeRawBufferPointer) throws(HubError) {
    do throws(GrowingFile.Fault) {
      try file.append(bytes)
    } catch {
      throw HubError(error, file.path, needed: max(0, (size ?? 0) - count))
    }
  }

  /// The hash of all bytes. No bytes may be added afterwards.
  func hash() -> String { file.hash() }

  /// What the file is if it is not a safetensors file; nil if it looks like one.
  func faultAsSafetensors() -> String? {
    var head = [UInt8](repeating: 0, count: 9)
    guard pread(file.descriptor, &head, 9, 0) == 9 else { return "a file of \(count) bytes" }
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
    do throws(GrowingFile.Fault) {
      try file.publish(as: name, mode: 0o666 & ~mask)
    } catch {
      throw HubError(error, file.path)
    }
    isKept = false
    Folder.sync(of: name)
  }

  /// Removes the unfinished file.
  func remove() {
    file.remove()
    isKept = false
  }
}

extension HubError {
  /// A fault of an unfinished file.
  fileprivate init(_ fault: GrowingFile.Fault, _ path: String, needed: Int = 0) {
    self =
      switch fault {
      case .notRegular: .file(path: path, reason: "no regular file")
      case .full: .noRoom(folder: path, needed: needed, free: FreeSpace.bytes(at: path) ?? 0)
      case .system(let code): .file(path: path, reason: String(cString: strerror(code)))
      }
  }
}
