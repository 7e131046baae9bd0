import Foundation

/// The identity of a file. Another file with the same name is not equal.
struct FilePlace: Equatable {
  private let device: UInt64
  private let number: UInt64

  /// nil if there is no file.
  init?(of path: String) {
    var status = stat()
    guard stat(path, &status) == 0 else { return nil }
    device = UInt64(status.st_dev)
    number = UInt64(status.st_ino)
  }
}
