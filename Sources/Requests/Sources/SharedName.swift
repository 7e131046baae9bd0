import Boundary

/// How a job names what lies in a shared place, so that every machine can resolve it: by its digest.
///
///     sha256:9f86…0a08/robot.safetensors       a file
///     tree:60303a…f3/taesd                     a path in a tree of files, by the digest of its listing
///
/// What follows the slash is for people, and for programs that tell a file's kind by its name.
package struct SharedName: Sendable, Hashable, CustomStringConvertible {
  /// What the digest is of.
  package enum Kind: String, Sendable {
    /// Of the file's bytes.
    case file = "sha256"
    /// Of a list of files with their digests.
    case tree
  }

  package let kind: Kind
  /// SHA-256, 64 hexadecimal digits in lower case.
  package let digest: String
  /// The file's name, or the path in the tree.
  package let path: String

  package var description: String { "\(kind.rawValue):\(digest)/\(path)" }

  /// The last part of the path.
  package var name: String { path.pathNames.last.map(String.init) ?? path }

  /// nil unless the digest is one, and the path leads nowhere else.
  package init?(_ kind: Kind, digest: String, path: String) {
    guard Digest.isHexadecimal(digest), Self.isPath(path), kind == .tree || path.lastSlash == nil else {
      return nil
    }
    self.kind = kind
    self.digest = digest
    self.path = path
  }

  /// nil for any other text.
  package init?(_ text: String) {
    guard let colon = text.firstIndex(of: ":"), let kind = Kind(rawValue: String(text[..<colon])) else {
      return nil
    }
    let rest = text[text.index(after: colon)...]
    guard let slash = rest.utf8.firstIndex(of: UInt8(ascii: "/")) else { return nil }
    self.init(kind, digest: String(rest[..<slash]), path: String(rest[rest.index(after: slash)...]))
  }

  /// Whether it is a relative path that stays below where it starts, and that can be a file's anywhere.
  package static func isPath(_ text: String) -> Bool {
    guard (1...1024).contains(text.utf8.count) else { return false }
    return text.pathNames.allSatisfy {
      !$0.isEmpty && $0 != "." && $0 != ".." && $0.utf8.count <= 200
        && !$0.utf8.contains { $0 < 0x20 || $0 == 0x7f || $0 == UInt8(ascii: "\\") }
    }
  }
}
