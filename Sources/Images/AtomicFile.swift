import Glibc

/// Writes files so that they appear as a whole or not at all, and survive a power cut.
package enum AtomicFile {
  /// Writes `.NAME.tmp-XXXX` beside the target, syncs it, renames it, and syncs the folder. On an error the temporary
  /// file is removed, and the file at `path` is unchanged.
  /// - Parameters:
  ///   - bytes: the content of the file.
  ///   - path: the final path.
  ///   - replacing: whether an existing file is replaced. Otherwise it is an error, `ImageError.outputExists`.
  ///   - draft: what the temporary file is named after, in the place of `path`. It must be on the same file system.
  package static func write(
    _ bytes: [UInt8], to path: String, replacing: Bool = true, by draft: String? = nil
  ) throws(ImageError) {
    let folder = split(path).folder
    let draft = split(draft ?? path)
    let (temporary, descriptor) = try create(folder: draft.folder, name: draft.name, path: path)
    var isOpen = true
    var isTemporary = true
    defer {
      if isOpen { close(descriptor) }
      if isTemporary { unlink(temporary) }
    }
    try fill(descriptor, with: bytes, path: path)
    guard fsync(descriptor) == 0 else { throw failure("fsync", path: path) }
    // Network file systems may report a full disk only when the file is closed. After EINTR the descriptor is closed on
    // Linux.
    isOpen = false
    guard close(descriptor) == 0 || errno == EINTR else { throw failure("close", path: path) }
    if replacing {
      guard rename(temporary, path) == 0 else { throw failure("rename", path: path) }
    } else {
      try move(temporary, toFree: path)
    }
    isTemporary = false
    try syncFolder(folder)
  }

  /// Renames a file, unless the new name exists.
  private static func move(_ temporary: String, toFree path: String) throws(ImageError) {
    if link(temporary, path) == 0 {
      unlink(temporary)
      return
    }
    switch errno {
    case EEXIST: throw .outputExists(path: path)
    // The file system has no hard links. Checking first is the next best way.
    case EPERM, ENOTSUP, ENOSYS, EMLINK:
      var status = stat()
      guard lstat(path, &status) != 0 else { throw .outputExists(path: path) }
      guard rename(temporary, path) == 0 else { throw failure("rename", path: path) }
    default: throw failure("link", path: path)
    }
  }

  /// Removes the temporary files of programs that were killed while they wrote `path`. Only one program may write that
  /// file.
  package static func removeTemporaries(of path: String) {
    let (folder, name) = split(path)
    let start = prefix(of: name)
    guard let directory = opendir(folder) else { return }
    defer { closedir(directory) }
    while let entry = readdir(directory) {
      let found = withUnsafeBytes(of: &entry.pointee.d_name) { bytes in
        String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
      }
      if found.hasPrefix(start) { unlink("\(folder)/\(found)") }
    }
  }

  /// The beginning of a file's temporary names. A name may have at most 255 bytes, so a long name is cut.
  private static func prefix(of name: String) -> String {
    "." + String(decoding: name.utf8.prefix(200), as: UTF8.self) + ".tmp-"
  }

  /// Writes a rename in `folder` to the disk.
  private static func syncFolder(_ folder: String) throws(ImageError) {
    let descriptor = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard descriptor >= 0 else { throw failure("open", path: folder) }
    defer { close(descriptor) }
    // Some file systems cannot sync a folder and answer EINVAL. Nothing more can be done there.
    guard fsync(descriptor) == 0 || errno == EINVAL else { throw failure("fsync", path: folder) }
  }

  static func split(_ path: String) -> (folder: String, name: String) {
    guard let slash = path.utf8.lastIndex(of: UInt8(ascii: "/")) else { return (".", path) }
    let folder = String(path[..<slash])
    return (folder.isEmpty ? "/" : folder, String(path[path.index(after: slash)...]))
  }

  private static func create(
    folder: String, name: String, path: String
  ) throws(ImageError) -> (path: String, descriptor: Int32) {
    guard !name.isEmpty, name != ".", name != ".." else {
      throw .writeFailed(path: path, call: "open", code: EISDIR)
    }
    for _ in 0..<64 {
      let suffix = String(UInt32.random(in: 0...UInt32.max), radix: 16)
      let temporary = folder + "/" + prefix(of: name) + suffix
      let descriptor = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o666)
      if descriptor >= 0 { return (temporary, descriptor) }
      switch errno {
      case EEXIST, EINTR: continue
      case ENOENT, ENOTDIR: throw .folderMissing(folder: folder)
      case EACCES, EPERM, EROFS: throw .notWritable(path: folder, code: errno)
      default: throw failure("open", path: path)
      }
    }
    throw .writeFailed(path: path, call: "open", code: EEXIST)
  }

  static func fill(_ descriptor: Int32, with bytes: [UInt8], path: String) throws(ImageError) {
    var written = 0
    while written < bytes.count {
      let step = bytes.withUnsafeBytes { buffer -> Int in
        guard let base = buffer.baseAddress else { return 0 }
        return Glibc.write(descriptor, base + written, buffer.count - written)
      }
      if step < 0 {
        if errno == EINTR { continue }
        throw failure("write", path: path)
      }
      written += step
    }
  }

  /// The error for the system call that just failed.
  private static func failure(_ call: String, path: String) -> ImageError {
    ImageError.writing(path: path, call: call, code: errno)
  }
}
