import Boundary
import Glibc
import HTTP

/// A folder that several machines have, as on NFS.
struct FolderStore: ObjectStore {
  let root: String
  /// Ends what is being put there.
  let stop: StopFlag

  var place: String { root }

  func add(_ body: ObjectBody, as key: String) throws {
    let path = "\(root)/\(key)"
    try checkRoot()
    if let size = size(of: path) { return try check(size, body) }
    let folder = String(path[..<(path.lastSlash ?? path.startIndex)])
    guard mkdir(folder, 0o777) == 0 || errno == EEXIST else { throw fault(folder) }
    let part = "\(folder)/.\(body.digest).\(String(UInt64.random(in: 0 ... .max), radix: 16)).part"
    let descriptor = open(part, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0o666)
    guard descriptor >= 0 else { throw fault(part) }
    defer {
      close(descriptor)
      unlink(part)
    }
    try copy(body, to: descriptor, part)
    guard fsync(descriptor) == 0 else { throw fault(part) }
    // Never in the place of what is there: somebody may be reading it.
    if link(part, path) != 0 {
      switch errno {
      case EEXIST: return
      // The file system has no hard links. Whoever comes second writes the same bytes.
      case EPERM, ENOTSUP, ENOSYS, EMLINK:
        guard rename(part, path) == 0 else { throw fault(path) }
      default: throw fault(path)
      }
    }
    let names = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard names >= 0 else { return }
    fsync(names)
    close(names)
  }

  func read(_ key: String, called name: String, into file: IncomingFile) throws {
    let path = "\(root)/\(key)"
    let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK)
    guard descriptor >= 0 else {
      if errno == ENOENT {
        try checkRoot()
        throw SharedError.missing(name: name, place: place)
      }
      throw errno == ELOOP ? strange(name, "a link") : fault(path)
    }
    defer { close(descriptor) }
    var status = stat()
    guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
      throw strange(name, "no file")
    }
    try file.expect(total: Int(status.st_size))
    try Self.pieces(of: descriptor, from: file.count, path) { try file.append($0) }
  }

  private func copy(_ body: ObjectBody, to descriptor: Int32, _ path: String) throws {
    var digest: Digest? = Digest()
    func write(_ bytes: UnsafeRawBufferPointer) throws {
      if stop.isSet { throw SharedError.stopped }
      digest?.add(bytes)
      var done = 0
      while done < bytes.count {
        let step = Glibc.write(descriptor, bytes.baseAddress.map { $0 + done }, bytes.count - done)
        if step < 0, errno == EINTR { continue }
        guard step > 0 else {
          throw errno == ENOSPC || errno == EDQUOT
            ? SharedError.noRoom(folder: root, needed: body.count) : fault(path)
        }
        done += step
      }
    }
    switch body.content {
    case .bytes(let bytes): try bytes.withUnsafeBytes { try write($0) }
    case .file(let source): try Self.pieces(of: source, from: 0, body.name) { try write($0) }
    }
    guard digest.take()?.hexadecimal() == body.digest else {
      throw SharedError.file(path: body.name, reason: "changed while it was read: try again")
    }
  }

  /// Reads an open file, to its end or so many bytes, a megabyte at a time.
  static func pieces(
    of descriptor: Int32, from start: Int, count: Int = .max, _ path: String,
    _ body: (UnsafeRawBufferPointer) throws -> Void
  ) throws {
    do {
      try GrowingFile.readPieces(of: descriptor, from: start, count: count, body)
    } catch let fault as GrowingFile.Fault {
      throw SharedError(fault, path)
    }
  }

  /// A disk that is not mounted leaves no folder, or an empty one in which nothing may be made.
  private func checkRoot() throws {
    var status = stat()
    guard stat(root, &status) == 0, status.st_mode & S_IFMT == S_IFDIR else {
      throw SharedError.unreachable(place: place, reason: "there is no such folder; is its disk mounted?")
    }
  }

  private func size(of path: String) -> Int? {
    var status = stat()
    guard lstat(path, &status) == 0, status.st_mode & S_IFMT == S_IFREG else { return nil }
    return Int(status.st_size)
  }

  private func check(_ size: Int, _ body: ObjectBody) throws {
    guard size == body.count else { throw strange(body.name, "\(size) bytes, not \(body.count)") }
  }

  private func strange(_ name: String, _ reason: String) -> SharedError {
    .damaged(name: name, place: place, reason: reason)
  }

  /// The system's last error. Many pass by themselves on a network's disk.
  private func fault(_ path: String) -> SharedError {
    switch errno {
    case ENOSPC, EDQUOT: .noRoom(folder: root, needed: 0)
    case EACCES, EPERM, EROFS: .forbidden(place: place, reason: SharedError.lastReason)
    default: .unreachable(place: place, reason: SharedError.lastReason)
    }
  }
}

extension SharedError {
  /// The system's last error in words.
  static var lastReason: String { String(cString: strerror(errno)) }
}
