import Boundary
import CommandLine
import Foundation
import Images
import JobStore

/// A folder that several machines share, with the jobs of a batch in shards:
///
///     shards.json               what it is
///     job.sh                    the batch script for Slurm
///     shards/0000.sqlite        the jobs of a shard, as they went out
///     files/DIGEST/NAME         what the jobs name and the other machines do not have
///     results/0000.ATTEMPT.sqlite   how far an attempt at a shard is
///     results/0000.over         all jobs of the shard are over
///     pictures/DIGEST.png       finished pictures by their content
///     keys/0000.ATTEMPT.key     what seals the resume states in it
///     logs/0000.log             what its daemon says
///     .lock                     somebody makes it just now
struct ShardFolder {
  /// Absolute.
  let path: String

  /// What the folder says of itself.
  struct Manifest: Codable, Equatable {
    /// Of the files' layout.
    var format = 1
    /// `ShardedBatch.key`.
    let key: String
    let batch: Int64
    /// How many shards there are.
    let shards: Int
    /// How many are rendered at a time.
    let tasks: Int
    /// Its path on the machine that made it.
    let folder: String
  }

  static let mostShards = 10_000

  var manifestPath: String { path + "/shards.json" }
  var script: String { path + "/job.sh" }
  /// The folder of what the jobs name.
  var files: String { path + "/files" }
  var results: String { path + "/results" }
  /// As other people may write into the folder, nothing outside it is read in their name.
  var confinement: Confinement { Confinement(folders: [path]) }

  /// A shard's jobs as they went out.
  func shard(_ number: Int) -> String { "\(path)/shards/\(Self.name(number)).sqlite" }
  /// What seals the resume states of an attempt's queue.
  func key(ofResult name: String) -> String { "\(path)/keys/\(name.dropLast(7)).key" }
  func picture(_ digest: String) -> String { "\(path)/pictures/\(digest).png" }
  /// The name of what an attempt leaves in `results`.
  func result(_ number: Int, attempt: String) -> String { "\(Self.name(number)).\(attempt).sqlite" }
  func isOver(_ number: Int) -> String { "\(results)/\(Self.name(number)).over" }

  private static func name(_ number: Int) -> String {
    String(repeating: "0", count: max(0, 4 - "\(number)".count)) + "\(number)"
  }

  /// - Throws: `Problem` if it is no folder of shards.
  func manifest() throws -> Manifest {
    let bytes: [UInt8]
    do throws(FileBytes.Fault) {
      bytes = try FileBytes.read(manifestPath, limit: 1 << 20, within: confinement)
    } catch {
      throw Problem.missing("\(path) holds no shards: `segmoectl shard` makes such a folder")
    }
    guard let found = try? JSONDecoder().decode(Manifest.self, from: Data(bytes)), found.format == 1,
      (1...Self.mostShards).contains(found.shards), (1...Self.mostShards).contains(found.tasks),
      found.batch > 0, found.key.utf8.count <= 100
    else { throw Problem.badInput("\(manifestPath) is damaged, or of another version") }
    return found
  }

  /// Writes what it is; it comes last, and makes the folder whole.
  func write(_ manifest: Manifest) throws {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes, .prettyPrinted]
    try AtomicFile.write([UInt8](try encoder.encode(manifest)) + [10], to: manifestPath)
  }

  /// Whether it is there already, and others than its user may write into it.
  var isOpenToOthers: Bool {
    var status = stat()
    return stat(path, &status) == 0 && status.st_mode & 0o022 != 0
  }

  /// Whether another path leads to it, too.
  func isSame(as other: String) -> Bool {
    var (here, there) = (stat(), stat())
    return stat(path, &here) == 0 && stat(other, &there) == 0
      && (here.st_dev, here.st_ino) == (there.st_dev, there.st_ino)
  }

  /// Makes the folders in it, for this user alone.
  func make() throws {
    for name in ["", "/shards", "/files", "/results", "/pictures", "/keys", "/logs"] {
      try NewFolder.make(path + name, mode: 0o700)
    }
  }

  /// The names of the attempts at a shard, or at all of them, that left something.
  /// - Throws: `Problem` if nobody can say.
  func attempts(of number: Int? = nil) throws -> [String] {
    let start = number.map { Self.name($0) + "." } ?? ""
    do throws(OpenFailure) {
      return try confinement.names(in: results, limit: 1_000_000)
        .filter { $0.hasPrefix(start) && $0.hasSuffix(".sqlite") && !$0.hasPrefix(".") }.sorted()
    } catch {
      throw Problem.missing("\(results) cannot be read: \(error)")
    }
  }

  /// The most bytes of a shard's queue. It has the resume states of the jobs at work in it.
  private static let largestQueue = 1 << 30

  /// This machine takes no copy. That says nothing of the folder, and what is in it must not count as damaged.
  struct NoCopy: ExitCoded {
    let fault: FileTree.Fault
    var exit: ProgramExit { .failed }
    var description: String { "\(fault.path) \(fault.reason)" }
  }

  /// Copies a file of the folder to this machine, in the place of what is there.
  /// - Throws: `Problem` if the folder has no such file, `NoCopy`
  func fetch(_ file: String, to path: String) throws {
    let descriptor = try opened(file)
    defer { close(descriptor) }
    unlink(path)
    do {
      _ = try FileTree.copy(descriptor, of: file, to: path, limit: Self.largestQueue)
    } catch let fault as FileTree.Fault {
      if fault.path == path { throw NoCopy(fault: fault) }
      throw Problem.missing("\(fault.path) \(fault.reason)")
    }
  }

  /// - Returns: the descriptor of a regular file, which the caller closes.
  private func opened(_ file: String) throws -> Int32 {
    do throws(OpenFailure) {
      let found = try confinement.open(file)
      let size = Int(found.status.st_size)
      guard size <= Self.largestQueue else { throw OpenFailure.refused(EFBIG) }
      if found.isRegular { return found.take() }
    } catch {
      throw Problem.missing("\(file) cannot be read: \(error)")
    }
    throw Problem.missing("\(file) is no file")
  }

  /// Whether a picture is there, as long as its row says.
  func has(_ image: ImageRecord) -> Bool {
    var status = stat()
    return lstat(picture(image.digest), &status) == 0 && status.st_mode & S_IFMT == S_IFREG
      && Int64(status.st_size) == image.bytes
  }

  /// Removes a picture whose bytes are others than its name says, though there may be as many: it is brought home anew. What
  /// cannot be read stays.
  func removeIfDamaged(_ image: ImageRecord) {
    guard Digest.isHexadecimal(image.digest),
      let bytes = try? FileBytes.read(picture(image.digest), limit: 1 << 31, within: confinement),
      Digest.hexadecimal(of: bytes) != image.digest
    else { return }
    unlink(picture(image.digest))
  }

  /// The bytes of a picture, if they are what its row says.
  func bytes(of image: ImageRecord) -> [UInt8]? {
    guard image.bytes > 0, image.bytes <= 1 << 31,
      let bytes = try? FileBytes.read(picture(image.digest), limit: Int(image.bytes), within: confinement),
      bytes.count == Int(image.bytes), Digest.hexadecimal(of: bytes) == image.digest
    else { return nil }
    return bytes
  }
}
