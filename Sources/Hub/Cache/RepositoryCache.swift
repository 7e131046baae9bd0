import Boundary
import Foundation
import HTTP
import Requests

/// A repository in Hugging Face's cache, in the layout of `huggingface_hub`, so that each program finds what the other
/// has fetched: `blobs/HASH`, links to them at `snapshots/COMMIT/PATH`, `refs/BRANCH`, and `trees/COMMIT.json`.
struct RepositoryCache {
  let root: String
  let id: RepositoryID
  private let usesLinks: Bool

  init(root: String, id: RepositoryID, usesLinks: Bool) {
    self.root = root
    self.id = id
    self.usesLinks = usesLinks
  }

  private var name: String { "models--\(id.owner)--\(id.name)" }
  private var folder: String { "\(root)/\(name)" }

  /// The path of a commit's folder. It may not exist.
  func snapshot(_ commit: String) -> String { "\(folder)/snapshots/\(commit)" }

  /// The path of a commit's file. It may not exist.
  func path(of file: String, at commit: String) -> String { "\(snapshot(commit))/\(file)" }

  func blob(_ file: RemoteFile) -> String { "\(folder)/blobs/\(file.blob)" }

  private func lock(_ file: RemoteFile) -> String { "\(root)/.locks/\(name)/\(file.blob).lock" }

  /// The last known commit of a branch or tag. For a commit, the commit itself.
  func commit(of revision: String?) -> String? {
    let revision = revision ?? "main"
    if Digest.isHexadecimal(revision, 40) { return revision }
    guard let bytes = FileManager.default.contents(atPath: "\(folder)/refs/\(revision)"), bytes.count < 100
    else {
      return nil
    }
    let commit = String(String(decoding: bytes, as: UTF8.self).trimming(while: \.isWhitespace))
    return Digest.isHexadecimal(commit, 40) ? commit : nil
  }

  /// Whether a commit's file is complete.
  func has(_ file: RemoteFile, at commit: String) -> Bool {
    Folder.size(of: path(of: file.path, at: commit)) == file.size
  }

  /// Whether a file's content is there, from any commit.
  func hasBlob(_ file: RemoteFile) -> Bool { Folder.size(of: blob(file)) == file.size }

  /// The bytes that an earlier try left.
  func partBytes(_ file: RemoteFile) -> Int {
    min(file.size, Folder.size(of: blob(file) + ".segmoe.incomplete") ?? 0)
  }

  /// Makes the folders that files are written to.
  /// - Throws: `HubError.file`
  func prepare() throws(HubError) {
    try Folder.make("\(folder)/blobs")
    try Folder.make("\(folder)/refs")
    try Folder.make("\(root)/.locks/\(name)")
  }

  /// Takes the file's lock, opens the unfinished download, and lets `fetch` complete it. If another program has
  /// completed it meanwhile, nothing is fetched.
  /// - Throws: what `fetch` throws, `HubError.file`, `HubError.stopped`.
  func fill(
    _ file: RemoteFile, stop: StopFlag, isWaiting: () -> Void, fetch: (PartFile) throws -> Void
  ) throws {
    let lock = try FileLock(path: lock(file), stop: stop, isWaiting: isWaiting)
    defer { withExtendedLifetime(lock) {} }
    if hasBlob(file) { return }
    let blob = blob(file)
    guard !Folder.isLink(blob) else {
      throw HubError.file(path: blob, reason: "leads to damaged bytes in a shared store: remove it")
    }
    // Older versions of Python's client leave an unfinished download under this name, and would continue it.
    let left = blob + ".incomplete"
    if access(blob + ".segmoe.incomplete", F_OK) != 0, Folder.size(of: left) != nil, !Folder.isLink(left) {
      rename(left, blob + ".segmoe.incomplete")
    }
    let part = try PartFile(path: blob, content: file.content, size: file.size)
    try fetch(part)
    try part.publish(as: blob)
  }

  /// Adds a blob to a commit's folder as a symbolic link. If the file system has none, a hard link is made, or the file
  /// is moved.
  /// - Throws: `HubError.file`
  func place(_ file: RemoteFile, at commit: String) throws(HubError) {
    let path = path(of: file.path, at: commit)
    if Folder.size(of: path) == file.size { return }
    try Folder.make(Folder.parent(of: path))
    let depth = file.path.utf8.count { $0 == UInt8(ascii: "/") }
    let target = String(repeating: "../", count: 2 + depth) + "blobs/\(file.blob)"
    let temporary = "\(path).\(getpid()).\(UInt32.random(in: 0 ... .max)).tmp"
    var isDone = usesLinks && symlink(target, temporary) == 0
    if !isDone { isDone = link(blob(file), temporary) == 0 }
    if isDone {
      guard rename(temporary, path) == 0 else {
        let error = HubError.system(path)
        unlink(temporary)
        throw error
      }
      // rename(2) does nothing if both names are the same file.
      unlink(temporary)
    } else if rename(blob(file), path) != 0 {
      throw .system(path)
    }
  }

  /// Records the branch's commit, whose folder must exist. A failure is ignored.
  func remember(_ commit: String, for revision: String?) {
    let revision = revision ?? "main"
    guard revision != commit, self.commit(of: revision) != commit, access(snapshot(commit), F_OK) == 0 else {
      return
    }
    let path = "\(folder)/refs/\(revision)"
    try? Folder.make(Folder.parent(of: path))
    try? Folder.write(commit, to: path, temporary: "\(folder)/ref.\(getpid()).tmp")
  }
}
