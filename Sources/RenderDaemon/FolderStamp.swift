import Foundation

/// Names, sizes, times and identities of files and of all files in folders: cheap to take, and
/// different when a model has been replaced.
struct FolderStamp: Equatable {
  private let files: [String: [Int]]

  init(_ paths: [String]) {
    var files: [String: [Int]] = [:]
    for path in paths {
      files[path] = Self.mark(of: path)
      let names = FileManager.default.enumerator(atPath: path)
      while let name = names?.nextObject() as? String {
        files[path + "/" + name] = Self.mark(of: path + "/" + name)
      }
    }
    self.files = files
  }

  /// nil for what is no plain file.
  private static func mark(of path: String) -> [Int]? {
    var status = stat()
    guard stat(path, &status) == 0, status.st_mode & S_IFMT == S_IFREG else { return nil }
    return [
      Int(status.st_size), Int(status.st_mtim.tv_sec), Int(status.st_mtim.tv_nsec), Int(status.st_ino),
    ]
  }
}
