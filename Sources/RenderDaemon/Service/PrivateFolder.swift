import Checkpoints
import Glibc

/// A folder that only the daemon can read. It holds the key that seals resume states, and a service's hashes of the models'
/// files.
/// Members of the group may write the queue's rows, but without the key they cannot forge a resume state.
package struct PrivateFolder: Sendable {
  /// Why the folder or its key cannot be used.
  package struct Problem: Error, CustomStringConvertible {
    package let description: String
  }

  private let path: String
  private static let name = "resume.key"

  /// - Parameter path: the folder's path. The folder is made when it is needed.
  package init(path: String) {
    self.path = path
  }

  /// The stored key. If there is none, a new one is made and stored.
  /// - Throws: `Problem` if other users could read or replace the key, and if a system call fails.
  package func sealingKey() throws -> SealingKey {
    if mkdir(path, 0o700) != 0, errno != EEXIST { throw failure("cannot be made") }
    let folder = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
    guard folder >= 0 else { throw failure("cannot be opened") }
    defer { close(folder) }
    _ = try own(folder, "chmod 700 \(path)")
    if let key = try kept(folder) { return key }
    try make(folder)
    guard let key = try kept(folder) else { throw failure("keeps no key") }
    return key
  }

  /// The key in the folder; nil if there is none.
  private func kept(_ folder: Int32) throws -> SealingKey? {
    let file = openat(folder, Self.name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC)
    guard file >= 0 else {
      if errno == ENOENT { return nil }
      throw failure("its key cannot be opened")
    }
    defer { close(file) }
    let status = try own(file, "remove \(path)/\(Self.name)")
    var bytes = [UInt8](repeating: 0, count: SealingKey.length)
    guard status.st_mode & S_IFMT == S_IFREG, Int(status.st_size) == bytes.count,
      pread(file, &bytes, bytes.count, 0) == bytes.count, let key = SealingKey(bytes: bytes)
    else { throw Problem(description: "\(path)/\(Self.name) is no key: remove it") }
    return key
  }

  /// Stores a new key, unless another daemon has stored one meanwhile.
  private func make(_ folder: Int32) throws {
    let temporary = ".\(Self.name).\(UInt32.random(in: 0 ... .max))"
    let file = openat(folder, temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0o600)
    guard file >= 0 else { throw failure("takes no key") }
    defer {
      close(file)
      unlinkat(folder, temporary, 0)
    }
    let bytes = SealingKey().bytes
    guard write(file, bytes, bytes.count) == bytes.count, fsync(file) == 0,
      linkat(folder, temporary, folder, Self.name, 0) == 0 || errno == EEXIST
        || renameat(folder, temporary, folder, Self.name) == 0
    else { throw failure("takes no key") }
    fsync(folder)
  }

  /// The status of a file or folder, which must belong to this user alone.
  private func own(_ descriptor: Int32, _ mend: String) throws -> stat {
    var status = stat()
    guard fstat(descriptor, &status) == 0 else { throw failure("cannot be looked at") }
    guard status.st_uid == geteuid() else {
      throw Problem(
        description:
          "\(path) or its key belongs to user \(status.st_uid): remove it, or name another private_folder")
    }
    guard status.st_mode & 0o077 == 0 else {
      throw Problem(description: "\(path) or its key is open to others: \(mend)")
    }
    return status
  }

  private func failure(_ what: String) -> Problem {
    Problem(description: "\(path) \(what): \(String(cString: strerror(errno)))")
  }
}
