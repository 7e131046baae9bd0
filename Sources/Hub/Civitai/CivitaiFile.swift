import Boundary
import Requests

/// A file of a version, as CivitAI's interface lists it.
struct CivitaiFile: Sendable, Equatable {
  /// The file's number on the site.
  let id: Int
  /// The author's name for it. It is only shown, and never used as a path.
  let name: String
  /// `Model`, `VAE`, `Negative`…
  let type: String
  /// `SafeTensor`, `PickleTensor`, …
  let format: String
  /// `full` or `pruned`.
  let extent: String
  /// `fp16`, `fp32`, …
  let precision: String
  /// The size in bytes; nil if the site does not tell.
  let size: Int?
  /// The SHA-256 in lower case; nil if the site has not computed it yet.
  let hash: String?
  /// Whether a link without conditions means this file.
  let isPrimary: Bool

  /// nil for an entry without a number.
  init?(_ entry: AnswerObject) {
    guard let id = entry.whole("id") else { return nil }
    let metadata = entry.object("metadata")
    self.id = id
    name = entry.text("name") ?? "a file"
    type = entry.text("type") ?? ""
    format = metadata?.text("format") ?? ""
    extent = metadata?.text("size") ?? ""
    precision = metadata?.text("fp") ?? ""
    size = entry.number("sizeKB").flatMap { $0 > 0 && $0 < 1e12 ? Int(($0 * 1024).rounded()) : nil }
    let hash = entry.object("hashes")?.text("SHA256")?.lowercased()
    self.hash = hash.flatMap { Digest.isHexadecimal($0, 64) ? $0 : nil }
    isPrimary = entry.isTrue("primary")
  }

  /// Whether it meets every condition of a link.
  func fits(_ link: CivitaiLink) -> Bool {
    if let file = link.file { return file == id }
    return link.conditions.allSatisfy { condition in
      switch condition.name {
      case "type": condition.value == type
      case "format": condition.value == format
      case "size": condition.value == extent
      case "fp": condition.value == precision
      default: true
      }
    }
  }

  /// The conditions that mean this file, for messages.
  var conditions: String {
    let pairs = [("type", type), ("format", format), ("size", extent), ("fp", precision)]
    return pairs.filter { !$0.1.isEmpty }.map { "\($0.0)=\($0.1)" }.joined(separator: "&")
  }
}
