import Checkpoints
import Foundation

/// A folder that is being written. It has a temporary name beside the final one until everything in it is on the disk.
package struct PartialFolder {
  /// The final path.
  let target: String
  /// The temporary path.
  package let path: String

  /// Makes the folder, and removes folders that killed processes left for the same target.
  /// - Throws: `MergeError.noPlace`.
  package init(for output: String) throws {
    target = URL(fileURLWithPath: output).path
    path = "\(target)\(Self.mark)\(getpid())"
    Self.removeAbandoned(of: target)
    try Self.make(path, for: target)
  }

  /// Makes a folder, and those above it that are missing.
  private static func make(_ path: String, for output: String) throws {
    guard mkdir(path, 0o777) != 0 else { return }
    var code = errno
    let parent = URL(fileURLWithPath: path).deletingLastPathComponent().path
    if code == ENOENT, access(parent, F_OK) != 0, parent != path {
      try make(parent, for: output)
      code = mkdir(path, 0o777) == 0 ? 0 : errno
    }
    // Another may have made it meanwhile.
    guard code == 0 || code == EEXIST else {
      throw MergeError.noPlace(path: output, folder: nearest(to: parent), code: code)
    }
  }

  /// A path, or the first one above it where something is: a file in the place of a folder is named, not what cannot be
  /// below it.
  private static func nearest(to path: String) -> String {
    var url = URL(fileURLWithPath: path)
    while access(url.path, F_OK) != 0, url.path != "/" { url.deleteLastPathComponent() }
    return url.path
  }

  private static let mark = ".partial-"

  /// Folders of processes that have ended.
  private static func removeAbandoned(of target: String) {
    let url = URL(fileURLWithPath: target)
    let parent = url.deletingLastPathComponent().path
    let prefix = url.lastPathComponent + mark
    for name in (try? FileManager.default.contentsOfDirectory(atPath: parent)) ?? [] {
      guard name.hasPrefix(prefix), let owner = Int32(name.dropFirst(prefix.count)), owner > 0 else {
        continue
      }
      if kill(owner, 0) != 0, errno == ESRCH {
        try? FileManager.default.removeItem(atPath: parent + "/" + name)
      }
    }
  }

  /// Gives the folder its final name, after everything in it is on the disk.
  /// - Throws: `MergeError.outputExists` if another has taken the name meanwhile, `.notWritable`.
  package func publish() throws {
    let inside = (FileManager.default.enumerator(atPath: path)?.allObjects as? [String]) ?? []
    for name in inside { try Self.sync(path + "/" + name) }
    try Self.sync(path)
    // A folder that appeared meanwhile is not replaced, unless it is empty.
    guard rename(path, target) == 0 else {
      if [EEXIST, ENOTEMPTY, ENOTDIR].contains(errno) { throw MergeError.outputExists(path: target) }
      throw MergeError.notWritable(path: target, reason: String(cString: strerror(errno)))
    }
    try Self.sync(URL(fileURLWithPath: target).deletingLastPathComponent().path)
  }

  /// Removes the folder and everything in it.
  package func discard() { try? FileManager.default.removeItem(atPath: path) }

  private static func sync(_ path: String) throws {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else {
      throw MergeError.notWritable(path: path, reason: String(cString: strerror(errno)))
    }
    defer { close(descriptor) }
    guard fsync(descriptor) == 0 else {
      throw MergeError.notWritable(path: path, reason: String(cString: strerror(errno)))
    }
  }
}

// MARK: - Files in it

extension PartialFolder {
  static func writeJSON(_ values: [String: JSONValue], to path: String) throws {
    try write(Data((JSONValue.object(values).pretty() + "\n").utf8), to: path)
  }

  static func write(_ data: Data, to path: String) throws {
    do {
      try data.write(to: URL(fileURLWithPath: path))
    } catch {
      throw MergeError.notWritable(path: path, reason: error.localizedDescription)
    }
  }

  static func makeFolder(_ path: String) throws {
    do {
      try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    } catch {
      throw MergeError.notWritable(path: path, reason: error.localizedDescription)
    }
  }
}
