import Boundary
import Checkpoints

/// Sizes, times and identities of files, and of all files in folders. It is cheap to take, and it differs after a model
/// has been replaced. Links to files and folders are followed, except links that lead out of the model folders.
struct FolderStamp: Equatable {
  /// The identities by path.
  private var files: [String: FileIdentity] = [:]
  /// Bytes of all files, each counted once, however many links lead to it.
  let bytes: Int64

  /// The most files, folders and links. No model has as many. A job that names a huge folder, perhaps by a link, must
  /// not keep the daemon busy.
  private static let limit = 10_000

  /// Of nothing.
  init() { bytes = 0 }

  /// - Throws: `DaemonError.modelOutside`, `.tooManyFiles`, `CheckpointError.exhausted`
  init(_ paths: [String], within confinement: Confinement) throws {
    var search = Search(confinement: confinement)
    for path in paths { try search.add(path, to: &files) }
    bytes = search.bytes
  }

  /// All files that were found.
  var identities: Set<FileIdentity> { Set(files.values) }

  private struct Search {
    let confinement: Confinement
    private var count = 0
    /// Links may lead in a circle.
    private var seen: Set<FileIdentity> = []
    private(set) var bytes: Int64 = 0

    init(confinement: Confinement) { self.confinement = confinement }

    mutating func add(_ path: String, to files: inout [String: FileIdentity]) throws {
      count += 1
      guard count <= FolderStamp.limit else {
        throw DaemonError.tooManyFiles(path: path, limit: FolderStamp.limit)
      }
      guard let (identity, size, isFolder) = try look(path) else { return }
      let isNew = seen.insert(identity).inserted
      guard isFolder else {
        files[path] = identity
        if isNew { bytes += size }
        return
      }
      guard isNew else { return }
      for name in try names(path).sorted() { try add(path + "/" + name, to: &files) }
    }

    /// nil if nothing is there or it cannot be looked at. That is reported when the model is read.
    private func look(_ path: String) throws -> (FileIdentity, size: Int64, isFolder: Bool)? {
      do throws(OpenFailure) {
        let found = try confinement.look(path)
        guard found.isFolder || found.isRegular else { return nil }
        return (found.identity, Int64(found.status.st_size), found.isFolder)
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
