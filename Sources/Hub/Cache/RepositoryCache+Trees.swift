import Checkpoints
import Foundation
import Requests

/// The list of a commit's files, `trees/COMMIT.json`, as `huggingface_hub` writes it since version 2.
extension RepositoryCache {
  private func record(of commit: String) -> String {
    "\(Folder.parent(of: Folder.parent(of: snapshot(commit))))/trees/\(commit).json"
  }

  private static let largestRecord = 64 << 20

  /// The recorded files, sorted by path; nil if nothing usable was recorded.
  func files(at commit: String) -> [RemoteFile]? {
    let path = record(of: commit)
    guard access(path, F_OK) == 0,
      let json = try? JSONValue(
        contentsOf: path, limit: Self.largestRecord, purpose: "the list of a commit's files"),
      case .object(let members) = json, members["format_version"] == .integer(1),
      case .object(let listed) = members["files"]
    else { return nil }
    var files: [RemoteFile] = []
    for (path, value) in listed {
      guard case .object(let object) = value else { return nil }
      let entry = AnswerObject(object, host: "the cache")
      guard let size = entry.whole("lfs_size") ?? entry.whole("size"), let name = entry.text("blob_id"),
        let file = RemoteFile(path: path, size: size, gitName: name, sha256: entry.text("lfs_sha256"))
      else { return nil }
      files.append(file)
    }
    return files.sorted { $0.path < $1.path }
  }

  /// Records a commit's files. A failure is ignored, because the list can be asked for again.
  func record(_ files: [RemoteFile], at commit: String) {
    let path = record(of: commit)
    guard access(path, F_OK) != 0 else { return }
    var listed: [String: JSONValue] = [:]
    for file in files {
      var entry: [String: JSONValue] = ["size": .integer(file.size), "blob_id": .string(file.gitName)]
      if case .sha256(let digest) = file.content {
        entry["lfs_sha256"] = .string(digest)
        entry["lfs_size"] = .integer(file.size)
      }
      listed[file.path] = .object(entry)
    }
    let json = JSONValue.object(["format_version": .integer(1), "files": .object(listed)])
    try? Folder.make(Folder.parent(of: path))
    try? Folder.write(json.text, to: path, temporary: "\(path).\(getpid()).tmp")
  }

  /// The files of a snapshot without a record, as they are on the disk. Older versions of Python's client leave such
  /// snapshots.
  func filesOnDisk(at commit: String) -> [RemoteFile] {
    let folder = snapshot(commit)
    guard let walk = FileManager.default.enumerator(atPath: folder) else { return [] }
    var files: [RemoteFile] = []
    for case let path as String in walk {
      guard let size = Folder.size(of: "\(folder)/\(path)") else { continue }
      let zeros = String(repeating: "0", count: 40)
      if let file = RemoteFile(path: path, size: size, gitName: zeros, sha256: nil) { files.append(file) }
    }
    return files.sorted { $0.path < $1.path }
  }
}
