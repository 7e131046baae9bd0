import Boundary
import CommandLine
import Foundation
import JobStore
import Requests
import SharedFiles

/// What jobs name by a path of this machine, or lies in a place that machines share, copied beside their shards under its digest. The last part of the name stays,
/// because pictures tell it.
struct ShardFiles {
  private let folder: String
  /// Folders that every machine has under the same path.
  private let shared: [String]
  /// Whether models are copied, too. They are large.
  private let copiesModels: Bool
  /// Whether paths that jobs name are this machine's.
  private let ownsPaths: Bool
  /// Where the queue's machines share files; nil: nowhere.
  private let common: SharedPlace?
  private var known: [String: String] = [:]
  /// Models that the machines find by their names.
  private(set) var names: Set<String> = []
  /// Whether something was copied that a daemon looks for in its folders of models.
  private(set) var hasWeights = false

  init(
    _ folder: ShardFolder, shared: [String], copiesModels: Bool, ownsPaths: Bool, common: SharedPlace?
  ) {
    self.folder = folder.files
    self.shared = shared.map { $0.hasSuffix("/") ? $0 : $0 + "/" }
    self.copiesModels = copiesModels
    self.ownsPaths = ownsPaths
    self.common = common
  }

  /// The beginning of the names of copies in the making.
  private static let part = ".part-"

  /// Removes what commands have left that were killed while they copied. Nobody else may copy there now.
  func removeParts() {
    let names = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
    for name in names where name.hasPrefix(Self.part) {
      try? FileManager.default.removeItem(atPath: "\(folder)/\(name)")
    }
  }

  /// The path or name that means the same on every machine.
  /// - Parameters:
  ///   - job: that names it.
  ///   - file: which of its files; nil: its model.
  ///   - name: an absolute path, or the name of a model or of something below a folder of models.
  /// - Throws: `Problem` if there is none, `SharedError`
  mutating func place(_ job: Int64, _ file: RequestFile?, _ name: String) throws -> String {
    if !ownsPaths, let common = SharedName(name) {
      guard file != nil || copiesModels else {
        throw Problem.badInput(
          "job \(job) names its model by its digest, \(name), and the machines have none of what the queue's machines "
            + "share: give --copy-models, or name it as they know it")
      }
      if let known = known[name] { return known }
      return keep(try bring(common, of: job), for: name, file)
    }
    guard name.hasPrefix("/") else {
      // What is of a hub is found where it was fetched or copied.
      if file == nil, ModelSource.remote(name) == nil { names.insert(name) }
      return name
    }
    let path = URL(fileURLWithPath: name).standardizedFileURL.path
    if shared.contains(where: { path.hasPrefix($0) }) { return path }
    guard ownsPaths else {
      throw Problem.badInput(
        "job \(job) names \(path), which may be something else on this machine: give --shared FOLDER if all machines "
          + "have it there")
    }
    guard file != nil || copiesModels else {
      throw Problem.badInput(
        "job \(job) names its model by a path of this machine, \(path): name it as the machines know it, give --shared "
          + "FOLDER if they have it there, too, or --copy-models")
    }
    if let known = known[path] { return known }
    let isPicture = file == .initImage || file == .mask
    let (folder, last) = Self.parts(of: path)
    let beside = isPicture ? [] : Companions.names(of: last, in: folder)
    guard !beside.isEmpty else { return keep(try copy(path, of: job), for: path, file) }
    let place = try keepTree(holding: last, of: job) {
      try FileTree.copy([last] + beside, of: folder, to: $0)
    }
    return keep(place, for: path, file)
  }

  /// Remembers where something lies beside the shards: it is copied once.
  private mutating func keep(_ place: String, for name: String, _ file: RequestFile?) -> String {
    if file != .initImage && file != .mask { hasWeights = true }
    known[name] = place
    return place
  }

  /// Copies what lies in the shared place. What belongs to it goes along.
  private func bring(_ name: SharedName, of job: Int64) throws -> String {
    guard let common else {
      throw Problem.usage("job \(job) names \(name), which lies in a shared place: SEGMOE_SHARED says which")
    }
    let path = try common.local(name)
    guard name.kind == .tree else { return try copy(path, of: job) }
    let tree = String(decoding: path.utf8.dropLast(name.path.utf8.count + 1), as: UTF8.self)
    return try keepTree(holding: name.path, of: job) { try FileTree.copy(tree, to: $0) }
  }

  /// Keeps a folder of what belongs together under its digest.
  /// - Parameters:
  ///   - path: what of it the job names.
  ///   - job: the job.
  ///   - copy: makes the folder, and says its digest.
  private func keepTree(
    holding path: String, of job: Int64, _ copy: (_ part: String) throws -> String
  ) throws -> String {
    try taking(of: job, copy) { part, digest in
      let place = "\(folder)/\(digest)"
      guard access("\(place)/\(path)", F_OK) == 0 || rename(part, place) == 0 else {
        throw Problem.failed("\(place) cannot be made: \(String(cString: strerror(errno)))")
      }
      return "\(place)/\(path)"
    }
  }

  private static func parts(of path: String) -> (folder: String, name: String) {
    let url = URL(fileURLWithPath: path)
    return (url.deletingLastPathComponent().path, url.lastPathComponent)
  }

  private func copy(_ path: String, of job: Int64) throws -> String {
    try taking(of: job, { try FileTree.copy(path, to: $0) }) { part, digest in
      let place = "\(folder)/\(digest)"
      let copy = "\(place)/\(Self.parts(of: path).name)"
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

  /// Makes a copy, for `keep` to give it its name.
  /// - Parameters:
  ///   - job: that it is for.
  ///   - copy: makes it, and says its digest.
  ///   - keep: gets it and the digest.
  private func taking(
    of job: Int64, _ copy: (_ part: String) throws -> String,
    _ keep: (_ part: String, _ digest: String) throws -> String
  ) throws -> String {
    let part = "\(folder)/\(Self.part)\(UUID().uuidString)"
    defer { try? FileManager.default.removeItem(atPath: part) }
    let digest: String
    do {
      digest = try copy(part)
    } catch let fault as FileTree.Fault {
      throw Problem.missing("job \(job) names \(fault.path), which \(fault.reason)")
    }
    return try keep(part, digest)
  }
}
