import Foundation
import Requests

/// Makes paths absolute and checks that the files exist. It remembers the answers, because a hundred thousand lines may
/// name the same few files.
package struct PathResolver {
  private var known: [String: String] = [:]

  /// How many answers are remembered. Beyond that, files are looked up again.
  private static let capacity = 1000

  /// A resolver that remembers nothing yet.
  package init() {}

  /// Resolves all files of a request.
  /// - Throws: `RequestError.missingFile`
  package mutating func resolve(_ request: inout RenderRequest) throws {
    request.model = try model(request.model)
    try request.changeFiles { file, path in try existing(path, file.rawValue) }
  }

  /// Resolves a model. A path becomes absolute. A word without a slash may be a name that the daemon knows, unless a model
  /// of that name is in the current folder.
  /// - Throws: `RequestError.missingFile`
  mutating func model(_ model: String) throws -> String {
    if model.contains("/") { return try existing(model, "model") }
    return remembered("model \(model)") {
      let path = absolutePath(model)
      let file =
        [".safetensors", ".gguf"].contains(where: model.hasSuffix) ? path : path + "/model_index.json"
      return FileManager.default.fileExists(atPath: file) ? path : model
    }
  }

  /// - Parameter what: What the file is, for the message.
  private mutating func existing(_ file: String, _ what: String) throws -> String {
    // An empty path is refused later, with the other settings.
    if file.isEmpty { return file }
    return try remembered("file \(file)") {
      let path = absolutePath(file)
      guard FileManager.default.fileExists(atPath: path) else {
        let source = try? ModelSource(file) { _ in false }
        let remote = source.flatMap { $0.isRemote ? "\($0)" : nil }
        throw RequestError.missingFile(setting: what, path: path, source: remote)
      }
      return path
    }
  }

  private mutating func remembered(_ question: String, _ answer: () throws -> String) rethrows -> String {
    if let known = known[question] { return known }
    let found = try answer()
    if known.count < Self.capacity { known[question] = found }
    return found
  }
}

/// The path made absolute, so that it means the same to the daemon.
package func absolutePath(_ path: String) -> String {
  if path.hasPrefix("~/") { return NSString(string: path).expandingTildeInPath }
  let base = URL(fileURLWithPath: FileManager.default.currentDirectoryPath, isDirectory: true)
  return URL(fileURLWithPath: path, relativeTo: base).standardizedFileURL.path
}
