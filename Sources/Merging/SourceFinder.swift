import Configuration
import Glibc

/// Finds what a recipe names.
struct SourceFinder {
  /// The recipe's folder; empty for the current one.
  private let folder: String

  init(recipe path: String) {
    folder = path.lastIndex(of: "/").map { String(path[...$0]) } ?? ""
  }

  /// The file or folder that a node names; `subject` is the key, for messages.
  func find(_ node: YAMLNode, _ subject: String) throws -> Recipe.Source {
    let written = try node.string(subject)
    let position = node.position
    if written.contains("://") { throw RecipeError.sourceIsLink(position, written: written) }
    // The system would read a path only up to a zero, and find something else.
    guard !written.isEmpty, !written.utf8.contains(0) else {
      throw RecipeError.sourceMissing(position, written: written, tried: [])
    }
    var candidates = [written]
    if !written.hasPrefix("/"), !folder.isEmpty { candidates.insert(folder + written, at: 0) }
    for path in candidates where access(path, F_OK) == 0 {
      return Recipe.Source(written: written, path: path, position: position)
    }
    if SourceFinder.looksLikeHubID(written) {
      throw RecipeError.sourceIsHubID(position, written: written)
    }
    throw RecipeError.sourceMissing(position, written: written, tried: candidates)
  }

  /// "owner/name" of letters, digits, dots, hyphens and underscores, and no file name.
  private static func looksLikeHubID(_ text: String) -> Bool {
    let parts = text.split(separator: "/", omittingEmptySubsequences: false)
    return parts.count == 2 && ![".safetensors", ".gguf"].contains(where: text.hasSuffix)
      && parts.allSatisfy { part in
        part.utf8.first.map { $0 != UInt8(ascii: ".") && $0 != UInt8(ascii: "~") } ?? false
          && part.unicodeScalars.allSatisfy {
            $0.properties.isAlphabetic || "0123456789._-".unicodeScalars.contains($0)
          }
      }
  }
}
