import Foundation

/// The folder that SQLite writes temporary files to: sorted rows, tables of one connection.
struct TemporaryFolder {
  let path: String

  /// - Parameter environment: of this process.
  init(environment: [String: String] = ProcessInfo.processInfo.environment) {
    // As in SQLite's unixTempFileDir: the first folder that can be written to.
    let given = [environment["SQLITE_TMPDIR"], environment["TMPDIR"]].compactMap { $0 }
    path =
      (given + ["/var/tmp", "/usr/tmp", "/tmp"]).first { folder in
        var isFolder: ObjCBool = false
        return FileManager.default.fileExists(atPath: folder, isDirectory: &isFolder) && isFolder.boolValue
          && access(folder, W_OK | X_OK) == 0
      } ?? "."
  }

  /// Whether it has no room, while the folder of a file has.
  func isFull(unlike file: String) -> Bool {
    let folder = URL(fileURLWithPath: file).deletingLastPathComponent().path
    guard let own = Self.room(path), let other = Self.room(folder) else { return false }
    return own < Self.little && other >= Self.little
  }

  /// Bytes that SQLite may want at a time.
  private static let little: UInt64 = 1 << 20

  /// Bytes that are free for this user; nil if the system does not say.
  private static func room(_ folder: String) -> UInt64? {
    var status = statvfs()
    guard statvfs(folder, &status) == 0 else { return nil }
    return UInt64(status.f_bavail) * UInt64(status.f_frsize)
  }
}
