import Foundation

/// Makes paths absolute and checks that something is there. It remembers the answers: a hundred thousand
/// lines name the same few files.
struct PathResolver {
  private var known: [String: String] = [:]

  /// More than any sensible file names; beyond, answers are found anew.
  private static let capacity = 1000

  /// A path becomes absolute. A word without a slash is a name that the daemon may know, unless a model lies
  /// under it right here.
  /// - Throws: `Problem.missing`
  mutating func model(_ model: String) throws -> String {
    if model.contains("/") { return try existing(model, "model") }
    return remembered("model \(model)") {
      let path = absolutePath(model)
      let file = model.hasSuffix(".safetensors") ? path : path + "/model_index.json"
      return FileManager.default.fileExists(atPath: file) ? path : model
    }
  }

  /// - Parameter what: What the file is, for the message.
  /// - Throws: `Problem.missing`
  mutating func existing(_ file: String, _ what: String) throws -> String {
    try remembered("file \(file)") {
      let path = absolutePath(file)
      guard FileManager.default.fileExists(atPath: path) else {
        throw Problem.missing("\(what) \(path) is not there: check the path")
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
func absolutePath(_ path: String) -> String {
  if path.hasPrefix("~/") { return NSString(string: path).expandingTildeInPath }
  let base = URL(fileURLWithPath: FileManager.default.currentDirectoryPath, isDirectory: true)
  return URL(fileURLWithPath: path, relativeTo: base).standardizedFileURL.path
}
