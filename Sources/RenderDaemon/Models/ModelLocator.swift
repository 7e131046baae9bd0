import Boundary
import Checkpoints
import Foundation

/// Finds the folder of a model that a job names.
package struct ModelLocator: Sendable {
  /// The folders that models are in.
  let confinement: Confinement
  /// Where lies what jobs name of a hub, by its exact name.
  private(set) var places: [String: String]

  /// - Parameters:
  ///   - folders: where models are; links in them are followed first. Empty: anywhere.
  ///   - places: where lies what jobs name of a hub.
  package init(folders: [String], places: [String: String] = [:]) {
    confinement = Confinement(folders: folders)
    self.places = places
  }

  /// Learns where lies what a job names of a hub.
  package mutating func learn(_ places: [String: String]) { self.places.merge(places) { $1 } }

  /// The real path of the model that `name` means: something of a hub, a path, or a name below one of the folders.
  /// - Throws: `DaemonError.modelMissing`, or `.modelOutside` if it is below none of the folders, whether or not
  ///   anything is there.
  package func path(of name: String) throws -> String {
    let folders = confinement.folders
    let sought = places[name] ?? name
    for candidate in sought.isAbsolutePath ? [sought] : folders.map({ $0 + "/" + sought }) {
      do throws(OpenFailure) {
        let found = try confinement.look(candidate).path
        // What was fetched are links to files without endings, which say nothing of their kind.
        if places[name] != nil { return sought }
        return folders.isEmpty ? Self.resolved(found) : found
      } catch {
        if error == .outside { throw DaemonError.modelOutside(path: name, folders: folders) }
        if error.isShortage { throw CheckpointError(error, path: name, purpose: "a model") }
      }
    }
    let searched = sought == name ? (name.isAbsolutePath ? [] : folders) : [sought]
    throw DaemonError.modelMissing(name: name, searched: searched)
  }

  /// Whether something of that name is below a model folder. What leads out of them counts: it is refused when it is
  /// opened, and it is no card of a hub.
  func hasNamed(_ name: String) -> Bool {
    guard !confinement.folders.isEmpty else { return false }
    do {
      _ = try path(of: name)
      return true
    } catch DaemonError.modelOutside {
      return true
    } catch {
      return false
    }
  }

  /// The same as `path(of:)`, for a folder of which all files are read. No link in it may lead out of the model
  /// folders.
  /// - Throws: what `path(of:)` throws, and `DaemonError.tooManyFiles`.
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
