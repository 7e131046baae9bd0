import Boundary
import Foundation
import Requests

/// The files of a tree, with their digests: a text of lines `SHA-256  BYTES  PATH`, sorted by path, whose own SHA-256
/// names the tree.
struct TreeListing {
  struct Entry: Equatable {
    let digest: String
    let bytes: Int
    /// Below the tree.
    let path: String
  }

  private static let head = "segmoe-tree 1"
  private static let mostFiles = 10_000
  private static let deepest = 16
  /// Bytes of the text.
  static let largest = 4 << 20

  let entries: [Entry]

  init(_ entries: [Entry]) {
    self.entries = entries.sorted { $0.path.utf8.lexicographicallyPrecedes($1.path.utf8) }
  }

  /// Reads a listing that somebody else wrote.
  /// - Returns: nil if it is none, or if a path in it could lead out of the tree.
  init?(reading bytes: [UInt8]) {
    guard bytes.count <= Self.largest, let text = String(validating: bytes, as: UTF8.self) else { return nil }
    var lines = text.split(separator: "\n", omittingEmptySubsequences: false)[...]
    guard lines.popFirst().map(String.init) == Self.head, lines.popLast()?.isEmpty == true,
      lines.count <= Self.mostFiles
    else { return nil }
    var entries: [Entry] = []
    var paths: Set<String> = []
    for line in lines {
      let parts = line.split(separator: "  ", maxSplits: 2, omittingEmptySubsequences: false).map(String.init)
      guard parts.count == 3, Digest.isHexadecimal(parts[0]), let bytes = Int(parts[1]), bytes >= 0,
        SharedName.isPath(parts[2]), parts[2].pathNames.count <= Self.deepest + 1,
        paths.insert(parts[2]).inserted
      else { return nil }
      entries.append(Entry(digest: parts[0], bytes: bytes, path: parts[2]))
    }
    self.entries = entries
  }

  var text: String {
    ([Self.head] + entries.map { "\($0.digest)  \($0.bytes)  \($0.path)" }).map { $0 + "\n" }.joined()
  }

  /// The files below some files and folders, links followed.
  /// - Parameters:
  ///   - roots: absolute paths.
  ///   - folder: that they are in, whose name is not part of the tree.
  /// - Returns: paths below the folder, of regular files.
  /// - Throws: `SharedError.file`
  static func files(_ roots: [String], below folder: String) throws -> [String] {
    var found: [String] = []
    func add(_ path: String, _ depth: Int) throws {
      let absolute = "\(folder)/\(path)"
      var status = stat()
      guard stat(absolute, &status) == 0 else {
        throw SharedError.file(path: absolute, reason: "cannot be read: \(SharedError.lastReason)")
      }
      guard depth <= deepest, found.count < mostFiles else {
        throw SharedError.file(path: folder, reason: "has too many files in it")
      }
      switch status.st_mode & S_IFMT {
      case S_IFDIR:
        guard let names = try? FileManager.default.contentsOfDirectory(atPath: absolute) else {
          throw SharedError.file(path: absolute, reason: "cannot be read: \(SharedError.lastReason)")
        }
        for name in names.sorted() where !name.hasPrefix(".") { try add("\(path)/\(name)", depth + 1) }
      case S_IFREG:
        guard SharedName.isPath(path), !path.contains("\n") else {
          throw SharedError.file(path: absolute, reason: "has a name that not every machine can have")
        }
        found.append(path)
      default: throw SharedError.file(path: absolute, reason: "is neither a file nor a folder")
      }
    }
    for root in roots { try add(root, 1) }
    return found
  }
}
