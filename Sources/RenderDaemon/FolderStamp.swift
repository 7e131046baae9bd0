import Foundation

/// Names, sizes, times and identities of all files of a folder: cheap to take, and different when a
/// model has been replaced.
struct FolderStamp: Equatable {
  private let files: [String: [Int]]

  init(_ folder: String) {
    var files: [String: [Int]] = [:]
    let names = FileManager.default.enumerator(atPath: folder)
    while let name = names?.nextObject() as? String {
      var status = stat()
      guard stat(folder + "/" + name, &status) == 0, status.st_mode & S_IFMT == S_IFREG else { continue }
      files[name] = [
        Int(status.st_size), Int(status.st_mtim.tv_sec), Int(status.st_mtim.tv_nsec), Int(status.st_ino),
      ]
    }
    self.files = files
  }
}
