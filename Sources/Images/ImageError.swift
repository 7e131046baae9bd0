import Glibc

/// What can go wrong with a picture or its file.
package enum ImageError: Error, Sendable, Equatable {
  /// The path, or a link on it, leads outside the allowed folders.
  case outside(path: String)
  /// A file could not be opened for reading.
  case unreadable(path: String, code: Int32)
  /// The file is not a PNG, or a damaged one.
  case damaged(name: String, reason: String)
  /// A picture is beyond the limits. It was refused before memory was taken for it.
  case tooLarge(name: String, width: Int, height: Int, limits: PNGLimits)
  /// A file has more bytes than the limits allow.
  case tooManyBytes(name: String, bytes: Int, limit: Int)
  /// A side is below 1, or the number of bytes does not fit the size.
  case badSize(width: Int, height: Int, bytes: Int)
  /// A text that PNG or the `parameters` form cannot store.
  case badText(keyword: String, reason: String)
  /// The folder for a file does not exist.
  case folderMissing(folder: String)
  /// A file would be replaced, and that was not allowed.
  case outputExists(path: String)
  /// There is a folder at the path of a file to write.
  case isFolder(path: String)
  /// This user may not write the folder or file.
  case notWritable(path: String, code: Int32)
  /// No space or quota is left for a file.
  case diskFull(path: String, code: Int32)
  /// Another system call failed while a file was written.
  case writeFailed(path: String, call: String, code: Int32)
  /// A contact sheet without pictures.
  case noImages
  /// libpng got no memory.
  case outOfMemory(name: String)
}

extension ImageError {
  /// The error for a system call that failed while a file was written.
  package static func writing(path: String, call: String, code: Int32) -> ImageError {
    switch code {
    case ENOSPC, EDQUOT: .diskFull(path: path, code: code)
    case EACCES, EPERM, EROFS: .notWritable(path: path, code: code)
    default: .writeFailed(path: path, call: call, code: code)
    }
  }
}

extension ImageError {
  /// The error for a path that cannot be looked at.
  static func opening(_ path: String, code: Int32) -> ImageError {
    [ENOENT, ENOTDIR].contains(code)
      ? .folderMissing(folder: AtomicFile.split(path).folder) : .writing(path: path, call: "open", code: code)
  }
}

extension ImageError: CustomStringConvertible {
  /// One line: what is wrong, and how to fix it.
  package var description: String {
    switch self {
    case .outside(let path):
      "\(path): is outside the folders that may be used, or a link that leads outside: move the picture there"
    case .unreadable(let path, let code):
      "\(path): cannot be read (\(reason(code))): give the path of a PNG file that exists and is readable"
    case .damaged(let name, let reason):
      "\(name): not a readable PNG: \(reason): save the picture as PNG again"
    case .tooLarge(let name, let width, let height, let limits):
      "\(name): \(width)x\(height) is larger than the limit of \(limits.side) a side and "
        + "\(limits.pixels) pixels: scale it down first"
    case .tooManyBytes(let name, let bytes, let limit):
      "\(name): \(bytes) bytes are more than the limit of \(limit): give a smaller PNG file"
    case .badSize(let width, let height, let bytes):
      "a picture of \(width)x\(height) cannot be made of \(bytes) bytes: "
        + "both sides must be at least 1, with 3 bytes a pixel"
    case .badText(let keyword, let reason):
      "text '\(keyword)' cannot be stored: \(reason)"
    case .folderMissing(let folder):
      "\(folder): no such folder: create it, or choose another place for the output"
    case .outputExists(let path):
      "\(path): exists already: give another name, or --force to replace it"
    case .isFolder(let path):
      "\(path): is a folder: give the name of a file in it"
    case .notWritable(let path, let code):
      "\(path): cannot be written (\(reason(code))): give this user write permission, "
        + "or choose another place for the output"
    case .diskFull(let path, let code):
      "\(path): the disk is full (\(reason(code))): free some space, then retry"
    case .writeFailed(let path, let call, let code):
      "\(path): \(call) failed (\(reason(code))): check the disk and the folder, then retry"
    case .noImages:
      "a contact sheet needs at least one picture: name the files to show"
    case .outOfMemory(let name):
      "\(name): out of memory: close other programs or use smaller pictures"
    }
  }

  private func reason(_ code: Int32) -> String {
    // strerror shares one buffer among threads. strerror_r does not.
    withUnsafeTemporaryAllocation(of: CChar.self, capacity: 256) { buffer in
      guard let base = buffer.baseAddress else { return "error \(code)" }
      base.initialize(repeating: 0, count: buffer.count)
      guard strerror_r(code, base, buffer.count) == 0 else { return "error \(code)" }
      return String(cString: base)
    }
  }
}
