import Foundation
import Requests

/// Makes paths absolute and checks that the files exist. What is no file here but can be fetched from a hub is written
/// as it may be kept. It remembers the answers, because a hundred thousand lines may name the same few files.
package struct PathResolver {
  private var known: [String: String] = [:]
  /// Models that a daemon has, by the names that jobs may give them.
  private let names: Set<String>
  /// Makes a name that other machines know of a file that this one has, or of a `SharedAlias`.
  package typealias Share = (_ setting: String, _ path: String, _ isPicture: Bool) throws -> String
  /// nil: paths stay paths.
  private let share: Share?
  /// Whether a link had a token in it, which is not kept.
  package private(set) var hasDroppedToken = false

  /// How many answers are remembered. Beyond that, files are looked up again.
  private static let capacity = 1000

  /// A resolver that remembers nothing yet.
  /// - Parameters:
  ///   - names: names of models that a daemon has. One of them may have a slash in it.
  ///   - share: for a queue that other machines use: makes a name that they know of an absolute path. Names in a shared
  ///     place then count, too. nil: the queue is this machine's.
  package init(names: Set<String> = [], share: Share? = nil) {
    self.names = names
    self.share = share
  }

  /// Resolves all files of a request.
  /// - Throws: `RequestError.missingFile`, `.noSource`, `Problem`, and what sharing throws.
  package mutating func resolve(_ request: inout RenderRequest) throws {
    request.model = try model(request.model)
    try request.changeFiles { file, path in try existing(path, .file(file)) }
  }

  /// Resolves a model. A path becomes absolute, and a name in a shared place what it stands for. A word without a slash may be a name that the daemon knows, unless a
  /// model of that name is in the current folder.
  /// - Throws: `RequestError.missingFile`, `.noSource`, `Problem`, and what sharing throws.
  mutating func model(_ model: String) throws -> String {
    if let alias = SharedAlias(model) { return try target(of: alias, .model) }
    if model.contains("/") || ModelSource.remote(model) != nil {
      let isName = names.contains(model) && !FileManager.default.fileExists(atPath: absolutePath(model))
      return isName ? model : try existing(model, .model)
    }
    let share = share
    return try remembered("model \(model)") {
      let path = absolutePath(model)
      let file =
        [".safetensors", ".gguf"].contains(where: model.hasSuffix) ? path : path + "/model_index.json"
      return FileManager.default.fileExists(atPath: file) ? try Named.model.shared(path, share) : model
    }
  }

  /// A setting that names something.
  private enum Named {
    case model
    case file(RequestFile)

    var word: String {
      switch self {
      case .model: "model"
      case .file(let file): file.rawValue
      }
    }

    /// What it would be pulled for; nil for pictures.
    var use: ModelUse? {
      switch self {
      case .model: .model
      case .file(let file): file.use
      }
    }

    func shared(_ path: String, _ share: Share?) throws -> String {
      try share?(word, path, use == nil) ?? path
    }
  }

  private mutating func existing(_ file: String, _ what: Named) throws -> String {
    // An empty path is refused later, with the other settings.
    if file.isEmpty { return file }
    if share != nil, SharedName(file) != nil { return file }
    if let alias = SharedAlias(file) { return try target(of: alias, what) }
    if CivitaiLink.token(in: file) != nil { hasDroppedToken = true }
    let share = share
    return try remembered("\(what.use == nil ? "picture" : "file") \(file)") {
      let path = absolutePath(file)
      if FileManager.default.fileExists(atPath: path) { return try what.shared(path, share) }
      do throws(SourceError) {
        let source = try ModelSource(file) { _ in false }
        if source.isRemote, what.use != nil { return "\(source)" }
      } catch {
        throw RequestError.noSource(setting: what.word, error)
      }
      throw RequestError.missingFile(setting: what.word, path: path)
    }
  }

  /// What a name in a shared place stands for now.
  private mutating func target(of alias: SharedAlias, _ what: Named) throws -> String {
    guard let share else {
      throw Problem.usage(
        "\(what.word) \(alias) is a name in a shared place, for jobs of a queue of PostgreSQL (docs/shared-place.md)"
      )
    }
    return try remembered("name \(alias)") { try what.shared("\(alias)", share) }
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
