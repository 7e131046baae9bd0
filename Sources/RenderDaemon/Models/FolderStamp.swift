import Foundation

/// Names, sizes, times and identities of files, and of all files in folders. It is cheap to take, and differs if a
/// model was replaced. Links are followed, to folders too.
struct FolderStamp: Equatable {
  private var files: [String: [Int]] = [:]
  /// The real paths that links lead to.
  private(set) var linked: [String] = []
  /// Identities of the folders seen so far, because links may form a circle.
  private var seen: Set<[Int]> = []

  init(_ paths: [String]) {
    for path in paths { add(path) }
  }

  private mutating func add(_ path: String) {
    var status = stat()
    guard lstat(path, &status) == 0 else { return }
    if status.st_mode & S_IFMT == S_IFLNK {
      linked.append(ModelLocator.resolved(path))
      // A missing file is reported when it is read.
      guard stat(path, &status) == 0 else { return }
    }
    switch status.st_mode & S_IFMT {
    case S_IFREG:
      files[path] = [
        Int(status.st_size), Int(status.st_mtim.tv_sec), Int(status.st_mtim.tv_nsec),
        Int(truncatingIfNeeded: status.st_ino), Int(truncatingIfNeeded: status.st_dev),
        // Unlike the modification time, this one cannot be set back.
        Int(status.st_ctim.tv_sec), Int(status.st_ctim.tv_nsec),
      ]
    case S_IFDIR:
      guard
        seen.insert([Int(truncatingIfNeeded: status.st_dev), Int(truncatingIfNeeded: status.st_ino)]).inserted
      else { return }
      for name in ((try? FileManager.default.contentsOfDirectory(atPath: path)) ?? []).sorted() {
        add(path + "/" + name)
      }
    default: break
    }
  }
}
