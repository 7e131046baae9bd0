import Boundary
import CommandLine
import Foundation
import JobStore
import Requests

/// What jobs name by a path of this machine, copied beside their shards under its digest. The last part of the name stays,
/// because pictures tell it.
struct ShardFiles {
  private let folder: String
  /// Folders that every machine has under the same path.
  private let shared: [String]
  /// Whether models are copied, too. They are large.
  private let copiesModels: Bool
  private var known: [String: String] = [:]
  /// Models that the machines find by their names.
  private(set) var names: Set<String> = []

  init(_ folder: ShardFolder, shared: [String], copiesModels: Bool) {
    self.folder = folder.files
    self.shared = shared.map { $0.hasSuffix("/") ? $0 : $0 + "/" }
    self.copiesModels = copiesModels
  }

  /// The path or name that means the same on every machine.
  /// - Parameters:
  ///   - job: that names it.
  ///   - file: which of its files; nil: its model.
  ///   - name: an absolute path, or the name of a model or of something below a folder of models.
  /// - Throws: `Problem` if there is none.
  mutating func place(_ job: Int64, _ file: RequestFile?, _ name: String) throws -> String {
    guard name.hasPrefix("/") else {
      if file == nil { names.insert(name) }
      return name
    }
    let path = URL(fileURLWithPath: name).standardizedFileURL.path
    if shared.contains(where: { path.hasPrefix($0) }) { return path }
    if let known = known[path] { return known }
    guard file != nil || copiesModels else {
      throw Problem.badInput(
        "job \(job) names its model by a path of this machine, \(path): name it as the machines know it, give --shared "
          + "FOLDER if they have it there, too, or --copy-models")
    }
    let copy = try copy(path, of: job)
    known[path] = copy
    return copy
  }

  private func copy(_ path: String, of job: Int64) throws -> String {
    let part = "\(folder)/.part-\(UUID().uuidString)"
    defer { try? FileManager.default.removeItem(atPath: part) }
    let digest: String
    do {
      digest = try FileTree.copy(path, to: part)
    } catch let fault as FileTree.Fault {
      throw Problem.missing("job \(job) names \(fault.path), which \(fault.reason)")
    }
    let place = "\(folder)/\(digest)"
    let copy = "\(place)/\(URL(fileURLWithPath: path).lastPathComponent)"
    try FileManager.default.createDirectory(
      atPath: place, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
    if access(copy, F_OK) != 0 { try FileManager.default.moveItem(atPath: part, toPath: copy) }
    return copy
  }
}

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
      try FileManager.default.createDirectory(atPath: target, withIntermediateDirectories: false)
      var digest = Digest()
      for name in try FileManager.default.contentsOfDirectory(atPath: path).sorted() {
        let part = try copy("\(path)/\(name)", to: "\(target)/\(name)", depth: depth + 1, &count)
        digest.add(Array("\(name)\0\(part)\0".utf8))
      }
      return digest.hexadecimal()
    default: throw Fault(path: path, reason: "is neither a file nor a folder")
    }
  }

  private static func copyFile(_ path: String, to target: String) throws -> String {
    let source = open(path, O_RDONLY | O_CLOEXEC)
    guard source >= 0 else {
      throw Fault(path: path, reason: "cannot be read: \(String(cString: strerror(errno)))")
    }
    defer { close(source) }
    let copy = open(target, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
    guard copy >= 0 else {
      throw Fault(path: target, reason: "cannot be made: \(String(cString: strerror(errno)))")
    }
    defer { close(copy) }
    var digest = Digest()
    var buffer = [UInt8](repeating: 0, count: 1 << 20)
    while true {
      let size = read(source, &buffer, buffer.count)
      if size < 0, errno == EINTR { continue }
      guard size >= 0 else {
        throw Fault(path: path, reason: "cannot be read: \(String(cString: strerror(errno)))")
      }
      guard size > 0 else { break }
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
