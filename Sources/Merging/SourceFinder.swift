import Configuration
import Glibc
import Requests

/// Finds what a recipe names.
struct SourceFinder {
  /// The recipe's folder; empty for the current one.
  private let folder: String

  init(recipe path: String) {
    folder = path.lastIndex(of: "/").map { String(path[...$0]) } ?? ""
  }

  /// The file or folder that a node names, or the model of a hub; `subject` is the key, for messages.
  func find(_ node: YAMLNode, _ subject: String, for use: ModelUse) throws -> Recipe.Source {
    let written = try node.string(subject)
    let position = node.position
    // The system reads a path only up to its first zero byte, and would find another file.
    guard !written.isEmpty, !written.utf8.contains(0) else {
      throw RecipeError.sourceMissing(position, written: written, tried: [])
    }
    var candidates = [written]
    if !written.hasPrefix("/"), !folder.isEmpty { candidates.insert(folder + written, at: 0) }
    for path in candidates where access(path, F_OK) == 0 {
      return Recipe.Source(written: written, path: path, position: position, remote: nil, use: use)
    }
    let source: ModelSource
    do throws(SourceError) {
      source = try ModelSource(written) { _ in false }
    } catch {
      throw RecipeError.source(position, error)
    }
    guard source.isRemote else {
      throw RecipeError.sourceMissing(position, written: written, tried: candidates)
    }
    return Recipe.Source(written: written, path: "\(source)", position: position, remote: source, use: use)
  }
}
