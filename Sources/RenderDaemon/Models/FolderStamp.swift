import Boundary
import Checkpoints

/// Sizes, times and identities of files, and of all files in folders. It is cheap to take, and it differs after a model
/// has been replaced. Links to files and folders are followed, except links that lead out of the model folders.
struct FolderStamp: Equatable {
  /// The identities by path.
  private var files: [String: FileIdentity] = [:]

  /// The most files, folders and links. No model has as many. A job that names a huge folder, perhaps by a link, must
  /// not keep the daemon busy.
  private static let limit = 10_000

  /// - Throws: `DaemonError.modelOutside`, `.tooManyFiles`, `CheckpointError.exhausted`
  init(_ paths: [String], within confinement: Confinement) throws {
    var search = Search(confinement: confinement)
    for path in paths { try search.add(path, to: &files) }
  }

  /// All files that were found.
  var identities: Set<FileIdentity> { Set(files.values) }

  private struct Search {
    let confinement: Confinement
    private var count = 0
    /// Links may lead in a circle.
    private var seen: Set<FileIdentity> = []

    init(confinement: Confinement) { self.confinement = confinement }

    mutating func add(_ path: String, to files: inout [String: FileIdentity]) throws {
      count += 1
      guard count <= FolderStamp.limit else {
        throw DaemonError.tooManyFiles(path: path, limit: FolderStamp.limit)
      }
      guard let (identity, isFolder) = try look(path) else { return }
      guard isFolder else {
        files[path] = identity
        return
      }
      guard seen.insert(identity).inserted else { return }
      for name in try names(path).sorted() { try add(path + "/" + name, to: &files) }
    }

    /// nil if nothing is there or it cannot be looked at. That is reported when the model is read.
    private func look(_ path: String) throws -> (FileIdentity, isFolder: Bool)? {
      do throws(OpenFailure) {
        let found = try confinement.look(path)
        return found.isFolder || found.isRegular ? (found.identity, found.isFolder) : nil
      } catch {
        if error == .outside { throw DaemonError.modelOutside(path: path, folders: confinement.folders) }
        if error.isShortage { throw CheckpointError(error, path: path, purpose: "a file of a model") }
        return nil
      }
    }

    private func names(_ path: String) throws -> [String] {
      do throws(OpenFailure) {
        return try confinement.names(in: path, limit: FolderStamp.limit)
      } catch {
        if error.isShortage { throw CheckpointError(error, path: path, purpose: "a folder of a model") }
        return []
      }
    }
  }
}
