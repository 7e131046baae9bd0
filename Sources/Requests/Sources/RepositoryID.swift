/// The name of a repository on a hub: `owner/name`.
package struct RepositoryID: Sendable, Hashable, CustomStringConvertible {
  package let owner: String
  package let name: String

  package var description: String { "\(owner)/\(name)" }

  /// nil unless the hub allows both parts (`huggingface_hub`'s `validate_repo_id`). A part has at most 96 letters,
  /// digits and `-._`. It begins and ends with a letter, digit or `_`, has no `--` or `..`, and does not end in `.git`.
  package init?(owner: some StringProtocol, name: some StringProtocol) {
    guard Self.isPart(owner), Self.isPart(name), (1...96).contains(owner.utf8.count),
      (1...96).contains(name.utf8.count), !name.hasSuffix(".git")
    else { return nil }
    self.owner = String(owner)
    self.name = String(name)
  }

  /// nil unless `text` is `owner/name` and both parts are allowed.
  package init?(_ text: some StringProtocol) {
    let parts = text.split(separator: "/", omittingEmptySubsequences: false)
    guard parts.count == 2 else { return nil }
    self.init(owner: parts[0], name: parts[1])
  }

  private static func isPart(_ text: some StringProtocol) -> Bool {
    func isWord(_ byte: UInt8) -> Bool {
      switch byte {
      case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
        UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"):
        true
      default: false
      }
    }
    guard let first = text.utf8.first, let last = Array(text.utf8).last, isWord(first), isWord(last) else {
      return false
    }
    guard !text.contains("--"), !text.contains("..") else { return false }
    return text.utf8.allSatisfy { isWord($0) || $0 == UInt8(ascii: "-") || $0 == UInt8(ascii: ".") }
  }
}
