import Boundary
import Checkpoints
import Foundation

/// Finds the folder of a model that a job names.
package struct ModelLocator: Sendable {
  /// The folders that models are in.
  let confinement: Confinement

  /// - Parameter folders: where models are; links in them are followed first. Empty: anywhere.
  package init(folders: [String]) {
    confinement = Confinement(folders: folders)
  }

  /// The real path of the model that `name` means: a path, or a name below one of the folders.
  /// - Throws: `DaemonError.modelMissing`, or `.modelOutside` if it is below none of the folders, whether or not
  ///   anything is there.
  package func path(of name: String) throws -> String {
    let folders = confinement.folders
    for candidate in name.hasPrefix("/") ? [name] : folders.map({ $0 + "/" + name }) {
      do throws(OpenFailure) {
        let found = try confinement.look(candidate).path
        return folders.isEmpty ? Self.resolved(found) : found
      } catch {
        if error == .outside { throw DaemonError.modelOutside(path: name, folders: folders) }
        if error.isShortage { throw CheckpointError(error, path: name, purpose: "a model") }
      }
    }
    throw DaemonError.modelMissing(name: name, searched: name.hasPrefix("/") ? [] : folders)
  }

  /// As `path(of:)`, for what may be a folder that is read whole: no link in it may lead out of the folders.
  /// - Throws: as `path(of:)`, and `DaemonError.tooManyFiles`
  func wholePath(of name: String) throws -> String {
    let path = try path(of: name)
    _ = try FolderStamp([path], within: confinement)
    return path
  }

  /// A path with all links followed.
  static func resolved(_ path: String) -> String {
    guard let real = realpath(path, nil) else { return URL(fileURLWithPath: path).standardized.path }
    defer { free(real) }
    return String(cString: real)
  }
}
