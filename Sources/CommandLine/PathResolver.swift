import Foundation
import Requests

/// Makes paths absolute and checks that something is there. It remembers the answers: a hundred thousand
/// lines name the same few files.
package struct PathResolver {
  private var known: [String: String] = [:]

  /// More than any sensible file names; beyond, answers are found anew.
  private static let capacity = 1000

  /// Nothing is known yet.
  package init() {}

  /// All files of a request.
  /// - Throws: `RequestError.missingFile`
  package mutating func resolve(_ request: inout RenderRequest) throws {
    request.model = try model(request.model)
    try request.changeFiles { file, path in try existing(path, file.rawValue) }
  }

  /// A path becomes absolute. A word without a slash is a name that the daemon may know, unless a model lies
  /// under it right here.
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
    // An empty path is refused with the other settings.
    if file.isEmpty { return file }
    return try remembered("file \(file)") {
      let path = absolutePath(file)
      guard FileManager.default.fileExists(atPath: path) else {
        throw RequestError.missingFile(setting: what, path: path)
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

/// A path that means the same in the daemon's working directory.
package func absolutePath(_ path: String) -> String {
  if path.hasPrefix("~/") { return NSString(string: path).expandingTildeInPath }
  let base = URL(fileURLWithPath: FileManager.default.currentDirectoryPath, isDirectory: true)
  return URL(fileURLWithPath: path, relativeTo: base).standardizedFileURL.path
}
