import Boundary
import Checkpoints

/// Sizes, times and identities of files and of all files in folders: cheap to take, and different when a model has been
/// replaced. Links are followed, those to folders, too, but none that leads out of the folders that models are in.
struct FolderStamp: Equatable {
  /// By path.
  private var files: [String: FileIdentity] = [:]

  /// More files, folders and links than any model has. Whoever names a folder of folders, or one that a link makes as
  /// large as the disk, must not keep the daemon looking through it.
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

    /// nil for what is not there, or can't be looked at: that is noticed when it is read.
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
