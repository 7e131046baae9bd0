import Foundation

/// Finds the folder of a model that a job names.
package struct ModelLocator: Sendable {
  private let folders: [String]

  /// - Parameter folders: the folders of models. Links in these paths are followed first.
  package init(folders: [String]) {
    self.folders = folders.map(Self.resolved)
  }

  /// The real path of the model that `name` means: a path, or a name below one of the folders.
  /// - Throws: `DaemonError.modelMissing`, or `.modelOutside` if the real path is outside all folders.
  package func path(of name: String) throws -> String {
    let candidates = name.hasPrefix("/") ? [name] : folders.map { $0 + "/" + name }
    guard let found = candidates.first(where: { FileManager.default.fileExists(atPath: $0) }) else {
      throw DaemonError.modelMissing(name: name, searched: name.hasPrefix("/") ? [] : folders)
    }
    let real = Self.resolved(found)
    guard isInside(real) else { throw DaemonError.modelOutside(path: name, folders: folders) }
    return real
  }

  /// Refuses a model that contains links to places outside the folders. With such links a job could read any file.
  /// - Parameter linked: the real paths that the links lead to.
  /// - Throws: `DaemonError.modelOutside`
  func check(linked: [String]) throws {
    if let outside = linked.first(where: { !isInside($0) }) {
      throw DaemonError.modelOutside(path: outside, folders: folders)
    }
  }

  private func isInside(_ real: String) -> Bool {
    folders.isEmpty || folders.contains { real == $0 || real.hasPrefix($0 == "/" ? $0 : $0 + "/") }
  }

  /// A path with all links followed.
  static func resolved(_ path: String) -> String {
    guard let real = realpath(path, nil) else { return URL(fileURLWithPath: path).standardized.path }
    defer { free(real) }
    return String(cString: real)
  }
}
