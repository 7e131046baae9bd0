import Foundation

/// A copy of the database from before a migration: `NAME.schema-NUMBER.TIME.backup` beside it. It is either complete
/// or does not exist.
struct SchemaBackup {
  private let database: String
  private let copy: String
  private let schema: Int

  /// Path of the copy until it is complete.
  private var part: String { copy + Self.ending }
  private static let ending = ".part"

  /// Seconds without a write after which the maker of an incomplete copy must have died.
  private static let patience = 600.0

  init(of database: String, schema: Int, at time: Milliseconds) {
    self.database = database
    self.schema = schema
    copy = "\(database).schema-\(schema).\(time).backup"
  }

  /// Lets `fill` write the copy under a temporary name, and renames it when it is on disk.
  /// - Throws: what `fill` throws, and `JobStoreError.notAccessible`. Then the incomplete copy is removed.
  func make(_ fill: (_ path: String) throws -> Void) throws {
    do {
      try fill(part)
      try sync(part)
      guard rename(part, copy) == 0 else { throw failure(copy) }
      // One copy of each schema is kept: a migration that fails at every start must not fill the disk.
      for older in others() { unlink(older) }
      try sync(URL(fileURLWithPath: copy).deletingLastPathComponent().path)
    } catch {
      unlink(part)
      unlink(part + "-journal")
      throw error
    }
  }

  /// The other complete copies of the same schema.
  private func others() -> [String] {
    let url = URL(fileURLWithPath: database)
    let folder = url.deletingLastPathComponent().path
    let names = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
    return names.filter {
      $0.hasPrefix("\(url.lastPathComponent).schema-\(schema).") && $0.hasSuffix(".backup")
    }.map { folder + "/" + $0 }.filter { $0 != copy }
  }

  /// Removes the incomplete copies of migrations that died.
  func removeAbandoned() {
    let url = URL(fileURLWithPath: database)
    let folder = url.deletingLastPathComponent().path
    for name in (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
    where name.hasPrefix(url.lastPathComponent + ".schema-") && name.contains(".backup" + Self.ending) {
      var status = stat()
      let path = folder + "/" + name
      guard stat(path, &status) == 0, Double(time(nil) - status.st_mtim.tv_sec) > Self.patience else {
        continue
      }
      unlink(path)
    }
  }

  /// Syncs a file, or the names in a folder, to disk.
  private func sync(_ path: String) throws {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw failure(path) }
    defer { close(descriptor) }
    // Some file systems cannot sync a folder and say EINVAL.
    guard fsync(descriptor) == 0 || errno == EINVAL else { throw failure(path) }
  }

  private func failure(_ path: String) -> JobStoreError {
    .notAccessible(path: path, reason: String(cString: strerror(errno)))
  }
}
