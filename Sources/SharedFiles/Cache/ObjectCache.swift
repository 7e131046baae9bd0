import Boundary
import Foundation
import Requests

/// What a machine has had from a shared place: `files/DIGEST/NAME`. Two programs that want the same file fetch it once.
struct ObjectCache: Sendable {
  /// The absolute path of the cache's folder.
  let folder: String

  /// A file in the cache; it is fetched if it is not there.
  /// - Parameters:
  ///   - digest: the file's SHA-256.
  ///   - name: what it is to be called: a name without slashes.
  ///   - store: has it as `files/DIGEST`.
  ///   - limits: of what is taken.
  ///   - isStopped: asked while another program fetches it.
  /// - Returns: its path.
  /// - Throws: `SharedError`, and what the limits throw.
  func file(
    _ digest: String, name: String, from store: any ObjectStore, limits: IncomingFile.Limits,
    isStopped: () -> Bool
  ) throws -> String {
    // What lies beside weights may be taken for their settings. So a file of such a name lies beside nothing.
    let isSettings = name.hasSuffix(".json") || name.hasSuffix(".config")
    let place = "\(folder)/files/\(digest)\(isSettings ? "/.settings" : "")"
    let path = "\(place)/\(name)"
    if isFile(path) { return path }
    try make(place)
    try make("\(folder)/locks")
    try make("\(folder)/parts")
    let lock = try lock(digest, isStopped, limits.goOn)
    defer { withExtendedLifetime(lock) {} }
    if isFile(path) { return path }
    // Under another name it may be there already.
    let others = (try? FileManager.default.contentsOfDirectory(atPath: place)) ?? []
    for other in others where isFile("\(place)/\(other)") && link("\(place)/\(other)", path) == 0 {
      return path
    }
    let shown = "sha256:\(digest)/\(name)"
    let file = try IncomingFile(path: "\(folder)/parts/\(digest)", name: shown, limits: limits)
    var wasDamaged = false
    while true {
      try store.read("files/\(digest)", called: shown, into: file)
      guard file.isWhole else {
        throw SharedError.unreachable(place: store.place, reason: "\(shown) ended at byte \(file.count)")
      }
      let found = file.hash()
      if found == digest { break }
      // What an earlier try left may have been wrong, or a proxy.
      guard !wasDamaged else {
        file.remove()
        throw SharedError.damaged(name: shown, place: store.place, reason: "its SHA-256 is \(found)")
      }
      wasDamaged = true
      try file.restart()
    }
    try file.publish(as: path)
    return path
  }

  /// A small text, which is not kept: it may be another one next time.
  /// - Parameters:
  ///   - key: of the object.
  ///   - name: what a person calls it.
  ///   - store: has it.
  ///   - most: bytes.
  /// - Throws: `SharedError`
  func text(_ key: String, called name: String, from store: any ObjectStore, most: Int) throws -> [UInt8] {
    try make("\(folder)/parts")
    let path = "\(folder)/parts/.\(String(UInt64.random(in: 0 ... .max), radix: 16))"
    let file = try IncomingFile(path: path, name: name, limits: IncomingFile.Limits(most: most, goOn: {}))
    defer { file.remove() }
    try store.read(key, called: name, into: file)
    guard file.isWhole, let bytes = FileManager.default.contents(atPath: path) else {
      throw SharedError.unreachable(place: store.place, reason: "\(name) ended at byte \(file.count)")
    }
    return Array(bytes)
  }

  /// A folder in the cache, made by `fill` if it is not there.
  /// - Parameters:
  ///   - digest: of the tree's listing.
  ///   - isStopped: asked while another program makes it.
  ///   - goOn: asked then, too; throws to end the wait.
  ///   - fill: makes the files in an empty folder.
  /// - Returns: its path.
  /// - Throws: `SharedError`, and what `fill` throws.
  func tree(
    _ digest: String, isStopped: () -> Bool, goOn: () throws -> Void, fill: (String) throws -> Void
  ) throws -> String {
    let path = "\(folder)/trees/\(digest)"
    if access(path, F_OK) == 0 { return path }
    try make("\(folder)/trees")
    try make("\(folder)/locks")
    let lock = try lock("tree-\(digest)", isStopped, goOn)
    defer { withExtendedLifetime(lock) {} }
    if access(path, F_OK) == 0 { return path }
    let part = "\(folder)/trees/.\(digest).part"
    // A killed program's. The lock is ours.
    try? FileManager.default.removeItem(atPath: part)
    try make(part)
    try fill(part)
    guard rename(part, path) == 0 else { throw SharedError.file(path: path, reason: SharedError.lastReason) }
    return path
  }

  /// Makes a folder and those above it, for nobody but its owner.
  func make(_ path: String) throws {
    do {
      try FileManager.default.createDirectory(
        atPath: path, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
    } catch {
      throw errno == ENOSPC
        ? SharedError.noRoom(folder: path, needed: 0)
        : SharedError.file(path: path, reason: "cannot be made: \(error.localizedDescription)")
    }
  }

  private func lock(
    _ name: String, _ isStopped: () -> Bool, _ goOn: () throws -> Void
  ) throws -> FileLock {
    let path = "\(folder)/locks/\(name)"
    var fault: (any Error)?
    func hasEnded() -> Bool {
      do { try goOn() } catch { fault = error }
      return fault != nil || isStopped()
    }
    do throws(FileLock.Fault) {
      return try FileLock(path: path, isStopped: hasEnded, isWaiting: {})
    } catch {
      switch error {
      case .stopped: throw fault ?? SharedError.stopped
      case .file(let code): throw SharedError.file(path: path, reason: String(cString: strerror(code)))
      }
    }
  }

  /// Whether there is a regular file, and no link.
  private func isFile(_ path: String) -> Bool {
    var status = stat()
    return lstat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFREG
  }
}
