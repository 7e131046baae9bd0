import Boundary
import Requests

/// A file of a repository at one commit.
package struct RemoteFile: Sendable, Equatable {
  /// The hash that names and proves the content.
  package enum Content: Sendable, Equatable {
    /// The SHA-256 of a large file.
    case sha256(String)
    /// Git's SHA-1 of a small file, with `blob LENGTH\0` before the content.
    case git(String)
  }

  /// The path in the repository.
  package let path: String
  /// The size in bytes.
  package let size: Int
  /// The hash that the content must have.
  package let content: Content
  /// Git's hash of what it stores. For a large file that is the pointer.
  package let gitName: String

  /// The name of the blob in the cache: the hash in hexadecimal digits.
  package var blob: String {
    switch content {
    case .sha256(let digits), .git(let digits): digits
    }
  }

  /// nil if a hash is malformed, because hashes become names of files.
  package init?(path: String, size: Int, gitName: String, sha256: String?) {
    guard size >= 0, Digest.isHexadecimal(gitName, 40), sha256.map({ Digest.isHexadecimal($0, 64) }) ?? true
    else {
      return nil
    }
    self.path = path
    self.size = size
    self.gitName = gitName
    content = sha256.map(Content.sha256) ?? .git(gitName)
  }

  /// The largest file that a hub serves over plain HTTP (`MAX_HTTP_DOWNLOAD_SIZE`).
  private static let mostBytes = 50_000_000_000

  /// Refuses a name that could lead out of the cache, and a file that is too large for plain HTTP.
  /// - Throws: `HubError.hostileName`, `HubError.tooLarge`
  package func check() throws(HubError) {
    let segments = path.pathNames
    let isSafe = segments.allSatisfy {
      !$0.isEmpty && $0 != "." && $0 != ".." && $0.utf8.count <= 255
        && !$0.utf8.contains { $0 < 0x20 || $0 == UInt8(ascii: "\\") || $0 == 0x7f }
    }
    guard isSafe else { throw .hostileName(path.replacing(#/[\x00-\x1f\x7f]/#, with: "?")) }
    guard size <= Self.mostBytes else { throw .tooLarge(path: path, bytes: size) }
  }
}
