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
  /// Whether something was copied that a daemon looks for in its folders of models.
  private(set) var hasWeights = false

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
      // What is of a hub is found where it was fetched or copied.
      if file == nil, ModelSource.remote(name) == nil { names.insert(name) }
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
    if file != .initImage && file != .mask { hasWeights = true }
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
    try NewFolder.make(place, mode: 0o700)
    if access(copy, F_OK) == 0 { return copy }
    // Under another name it may be there already.
    let other = (try? FileManager.default.contentsOfDirectory(atPath: place))?.first
    if let other, link("\(place)/\(other)", copy) == 0 { return copy }
    guard rename(part, copy) == 0 else {
      throw Problem.failed("\(copy) cannot be made: \(String(cString: strerror(errno)))")
    }
    return copy
  }
}
