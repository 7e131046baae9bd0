import Boundary
import Foundation

/// A file, or a folder with all that is below it.
enum FileTree {
  struct Fault: Error {
    let path: String
    let reason: String
  }

  private static let mostFiles = 10_000
  private static let deepest = 16

  /// Copies it; links are followed.
  /// - Returns: the SHA-256 of the file, or of the names, sizes and digests of the folder's files.
  /// - Throws: `Fault`
  static func copy(_ path: String, to target: String) throws -> String {
    var count = 0
    return try copy(path, to: target, depth: 0, &count)
  }

  private static func copy(_ path: String, to target: String, depth: Int, _ count: inout Int) throws -> String
  {
    var status = stat()
    guard stat(path, &status) == 0 else { throw Fault(path: path, reason: "is not there") }
    count += 1
    guard count <= mostFiles, depth <= deepest else {
      throw Fault(path: path, reason: "holds too many files")
    }
    switch status.st_mode & S_IFMT {
    case S_IFREG: return try copyFile(path, to: target)
    case S_IFDIR:
      guard let names = try? FileManager.default.contentsOfDirectory(atPath: path) else {
        throw Fault(path: path, reason: "cannot be read")
      }
      return try copy(names, of: path, to: target, depth: depth, &count)
    default: throw Fault(path: path, reason: "is neither a file nor a folder")
    }
  }

  /// Copies what has some names in a folder, as a folder of that alone.
  /// - Returns: its digest.
  /// - Throws: `Fault`
  static func copy(_ names: [String], of folder: String, to target: String) throws -> String {
    var count = 0
    return try copy(names, of: folder, to: target, depth: 0, &count)
  }

  private static func copy(
    _ names: [String], of folder: String, to target: String, depth: Int, _ count: inout Int
  ) throws -> String {
    guard mkdir(target, 0o700) == 0 else {
      throw Fault(path: target, reason: "cannot be made: \(String(cString: strerror(errno)))")
    }
    var digest = Digest()
    for name in names.sorted() {
      let part = try copy("\(folder)/\(name)", to: "\(target)/\(name)", depth: depth + 1, &count)
      digest.add(Array("\(name)\0\(part)\0".utf8))
    }
    return digest.hexadecimal()
  }

  private static func copyFile(_ path: String, to target: String) throws -> String {
    let source = open(path, O_RDONLY | O_CLOEXEC)
    guard source >= 0 else {
      throw Fault(path: path, reason: "cannot be read: \(String(cString: strerror(errno)))")
    }
    defer { close(source) }
    return try copy(source, of: path, to: target)
  }

  /// Copies an open file.
  /// - Parameters:
  ///   - source: its descriptor.
  ///   - path: what it is called.
  ///   - target: the new file.
  ///   - limit: a larger file is refused.
  /// - Returns: its SHA-256.
  /// - Throws: `Fault`
  static func copy(
    _ source: Int32, of path: String, to target: String, limit: Int = .max
  ) throws -> String {
    let copy = open(target, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
    guard copy >= 0 else {
      throw Fault(path: target, reason: "cannot be made: \(String(cString: strerror(errno)))")
    }
    defer { close(copy) }
    var digest = Digest()
    var buffer = [UInt8](repeating: 0, count: 1 << 20)
    var total = 0
    while true {
      let size = read(source, &buffer, buffer.count)
      if size < 0, errno == EINTR { continue }
      guard size >= 0 else {
        throw Fault(path: path, reason: "cannot be read: \(String(cString: strerror(errno)))")
      }
      guard size > 0 else { break }
      total += size
      guard total <= limit else { throw Fault(path: path, reason: "has more than \(limit) bytes") }
      buffer.withUnsafeBytes { digest.add(UnsafeRawBufferPointer(rebasing: $0[..<size])) }
      var written = 0
      while written < size {
        let step = buffer.withUnsafeBytes { write(copy, $0.baseAddress.map { $0 + written }, size - written) }
        if step < 0, errno == EINTR { continue }
        guard step > 0 else {
          throw Fault(path: target, reason: "cannot be written: \(String(cString: strerror(errno)))")
        }
        written += step
      }
    }
    guard fsync(copy) == 0 else {
      throw Fault(path: target, reason: "cannot be written: \(String(cString: strerror(errno)))")
    }
    return digest.hexadecimal()
  }
}
