import Foundation

/// A folder of a test's own. It is removed when the last reference to it goes.
///
///     let folder = try TemporaryFolder()
///     let file = try folder.write("unet/config.json", "{}")
package final class TemporaryFolder: Sendable {
  /// The folder, without a slash at the end.
  package let path: String

  /// Makes the folder.
  /// - Parameter subfolders: folders to make below it, such as `models/tiny`.
  /// - Throws: what the file system says.
  package init(_ subfolders: String...) throws {
    path = Self.unusedPath()
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    for name in subfolders { try makeFolder(name) }
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }

  /// A path in the system's temporary folder where nothing is. Whoever makes something there removes it.
  /// - Parameter ending: what the name ends with.
  package static func unusedPath(_ ending: String = "") -> String {
    FileManager.default.temporaryDirectory.path + "/segmoe-test-\(UUID().uuidString)\(ending)"
  }

  /// All files below a folder, relative to it, sorted.
  package static func files(below folder: String) -> [String] {
    let names = FileManager.default.enumerator(atPath: folder)?.compactMap { $0 as? String } ?? []
    return names.filter { name in
      var isFolder: ObjCBool = false
      return FileManager.default.fileExists(atPath: folder + "/" + name, isDirectory: &isFolder)
        && !isFolder.boolValue
    }.sorted()
  }

  /// The path of a file in the folder, whether it is there or not.
  package func file(_ name: String) -> String { "\(path)/\(name)" }

  /// What lies in the folder, sorted.
  package var names: [String] {
    ((try? FileManager.default.contentsOfDirectory(atPath: path)) ?? []).sorted()
  }

  /// Makes a folder in it, with the folders on the way.
  /// - Returns: the new folder's path.
  @discardableResult package func makeFolder(_ name: String) throws -> String {
    try FileManager.default.createDirectory(atPath: file(name), withIntermediateDirectories: true)
    return file(name)
  }

  /// Writes a file, with the folders on its way.
  /// - Returns: the file's path.
  @discardableResult package func write(_ name: String, _ bytes: some Sequence<UInt8>) throws -> String {
    let url = URL(fileURLWithPath: file(name))
    try FileManager.default.createDirectory(
      at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
    try Data(bytes).write(to: url)
    return file(name)
  }

  /// Writes a text, with the folders on its way.
  /// - Returns: the file's path.
  @discardableResult package func write(_ name: String, _ text: String) throws -> String {
    try write(name, text.utf8)
  }

  /// Copies a file or a folder into it.
  /// - Returns: the copy's path.
  @discardableResult package func copy(_ source: String, to name: String) throws -> String {
    try FileManager.default.copyItem(atPath: source, toPath: file(name))
    return file(name)
  }
}
