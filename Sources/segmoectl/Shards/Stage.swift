import ArgumentParser
import Boundary
import CommandLine
import Foundation
import Images
import JobStore

/// `segmoectl stage`: what the batch script of a shard calls.
struct Stage: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Copy a shard to the machine that renders it, and back: for batch scripts.",
    subcommands: [StageIn.self, StageOut.self])
}

/// The arguments of both.
struct StageArguments: ParsableArguments {
  @Argument(help: ArgumentHelp("The folder of the shards.", valueName: "dir"))
  var folder: String

  @Argument(help: "The number of the shard, from 0.")
  var shard: Int

  @Argument(
    help: ArgumentHelp("A folder on this machine's own disk, for this attempt alone.", valueName: "work"))
  var work: String

  /// - Throws: `Problem`
  func opened() throws -> (folder: ShardFolder, manifest: ShardFolder.Manifest, place: StagePlace) {
    let folder = ShardFolder(path: absolutePath(folder))
    let manifest = try folder.manifest()
    guard (0..<manifest.shards).contains(shard) else {
      throw Problem.usage("there are shards 0 to \(manifest.shards - 1) in \(folder.path)")
    }
    return (folder, manifest, StagePlace(path: absolutePath(work)))
  }
}

/// Where a machine renders a shard.
struct StagePlace {
  let path: String

  var queue: String { path + "/queue.sqlite" }
  var pictures: String { path + "/pictures" }
  /// The daemon's key, as it is named beside a queue.
  var key: String { path + "/queue.sqlite.private/resume.key" }
  /// Says which shard is here. It is written last.
  private var label: String { path + "/shard" }

  /// Checks that nothing is here. The log of another queue would be taken for that of the new one.
  /// - Throws: `Problem`
  func expectEmpty() throws {
    for file in [queue, queue + "-wal", label] where access(file, F_OK) == 0 {
      throw Problem.badInput("\(file) is there already: each attempt needs a folder of its own")
    }
  }

  /// A shard is here, and whole.
  /// - Throws: `ImageError`
  func label(_ shard: Int, of manifest: ShardFolder.Manifest) throws {
    try AtomicFile.write(Self.words(shard, manifest), to: label)
  }

  /// Checks that a shard is here, and no other. The folder of the shards may be another's by now, under the same path.
  /// - Throws: `Problem`
  func expect(_ shard: Int, of manifest: ShardFolder.Manifest) throws {
    guard let found = try? FileBytes.read(label, limit: 1000) else {
      throw Problem.missing("\(path) holds no shard: `segmoectl stage in` has not come to its end there")
    }
    guard found == Self.words(shard, manifest) else {
      throw Problem.badInput(
        "\(path) holds another shard than number \(shard) of what is now in \(manifest.folder): nothing is brought home"
      )
    }
  }

  private static func words(_ shard: Int, _ manifest: ShardFolder.Manifest) -> [UInt8] {
    Array("\(manifest.key) \(shard)\n".utf8)
  }
}

/// `segmoectl stage in`
struct StageIn: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "in", abstract: "Make a shard's queue in WORK, as far as an earlier attempt got.")

  @OptionGroup var arguments: StageArguments

  func run() throws {
    let (folder, manifest, place) = try arguments.opened()
    try place.expectEmpty()
    let earlier = try choose(folder, place)
    let wanted = try ShardQueue.arrive(
      place.queue, output: place.pictures, moving: (from: manifest.folder, to: folder.path))
    if let earlier { try restoreKey(of: earlier, folder, place) }
    for image in wanted where !image.path.isAbsolutePath && !image.path.pathNames.contains("..") {
      guard let bytes = folder.bytes(of: image) else { continue }
      let path = "\(place.pictures)/\(image.path)"
      try NewFolder.make(URL(fileURLWithPath: path).deletingLastPathComponent().path)
      try AtomicFile.write(bytes, to: path)
    }
    try place.label(arguments.shard, of: manifest)
  }

  /// Takes the attempt that got furthest. What is damaged, or names pictures that are gone, counts as none.
  /// - Returns: its name; nil if there is none.
  private func choose(_ folder: ShardFolder, _ place: StagePlace) throws -> String? {
    let trial = place.path + "/trial.sqlite"
    defer { unlink(trial) }
    var best: (open: Int, steps: Int, name: String)?
    // The digests of pictures that were read.
    var whole: Set<String> = []
    for name in try folder.attempts(of: arguments.shard) {
      guard let standing = try standing(name, folder, trial, &whole) else { continue }
      if let best, (best.open, -best.steps) <= (standing.open, -standing.steps) { continue }
      best = (standing.open, standing.steps, name)
      guard rename(trial, place.queue) == 0 else {
        throw Problem.failed("\(place.queue) cannot be made: \(String(cString: strerror(errno)))")
      }
    }
    if best == nil { try folder.fetch(folder.shard(arguments.shard), to: place.queue) }
    return best?.name
  }

  /// How far an attempt is, whose queue is copied to `trial`; nil if nothing can be made of it.
  /// - Throws: `ShardFolder.NoCopy`
  private func standing(
    _ name: String, _ folder: ShardFolder, _ trial: String, _ whole: inout Set<String>
  ) throws -> ShardQueue.Standing? {
    do {
      try folder.fetch("\(folder.results)/\(name)", to: trial)
      let standing = try ShardQueue.standing(trial)
      // Read as `collect` reads them: a length alone says little after a power cut.
      var lost: [ImageRecord] = []
      for image in standing.pictures where !whole.contains(image.digest) {
        if folder.bytes(of: image) == nil { lost.append(image) } else { whole.insert(image.digest) }
      }
      guard let first = lost.first else { return standing }
      complain("\(name) is left out: \(folder.picture(first.digest)) is missing or damaged")
      for image in lost { folder.removeIfDamaged(image) }
    } catch let fault as ShardFolder.NoCopy {
      throw fault
    } catch {
      complain("\(name) is left out: \((error as? Problem)?.message ?? "\(error)")")
    }
    return nil
  }

  /// The key that the earlier attempt's resume states are sealed with.
  private func restoreKey(of earlier: String, _ folder: ShardFolder, _ place: StagePlace) throws {
    guard
      let key = try? FileBytes.read(folder.key(ofResult: earlier), limit: 4096, within: folder.confinement)
    else { return }
    try PrivateBytes.write(key, to: place.key)
  }
}

/// `segmoectl stage out`
struct StageOut: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "out", abstract: "Bring home how far a shard is, while it is rendered or after.")

  @OptionGroup var arguments: StageArguments

  @Option(help: "A name for this attempt at the shard, which no other has.")
  var attempt: String

  func run() throws {
    let (folder, manifest, place) = try arguments.opened()
    guard (1...80).contains(attempt.utf8.count), ShardScript.isPlain(attempt), attempt.lastSlash == nil,
      !attempt.hasPrefix(".")
    else { throw Problem.usage("--attempt must be 1 to 80 letters, digits, dots and dashes") }
    try place.expect(arguments.shard, of: manifest)
    let copy = place.path + "/copy.sqlite"
    defer { unlink(copy) }
    let standing = try ShardQueue.leave(place.queue, output: place.pictures, as: copy)
    // Two attempts that began at the same time have two keys.
    let result = folder.result(arguments.shard, attempt: attempt)
    if let key = try? FileBytes.read(place.key, limit: 4096) {
      try PrivateBytes.write(key, to: folder.key(ofResult: result))
    }
    // Pictures first: what a queue names is there.
    for image in standing.announced where !folder.has(image) { _ = try bringHome(image, folder, place) }
    for image in standing.pictures where !folder.has(image) {
      guard try bringHome(image, folder, place) else {
        // The next attempt goes on from an earlier state, and renders it anew.
        throw Problem.failed(
          "\(place.pictures)/\(image.path) is missing or damaged: what this attempt has rendered stays here")
      }
    }
    try AtomicFile.write(
      try FileBytes.read(copy, limit: .max), to: "\(folder.results)/\(result)")
    if standing.open == 0 {
      try AtomicFile.write(Array("\(attempt)\n".utf8), to: folder.isOver(arguments.shard))
    }
  }
}

extension StageOut {
  /// Copies a finished picture into the folder of the shards.
  /// - Returns: whether it is what its row says.
  private func bringHome(_ image: ImageRecord, _ folder: ShardFolder, _ place: StagePlace) throws -> Bool {
    guard let bytes = try? FileBytes.read("\(place.pictures)/\(image.path)", limit: 1 << 31),
      Digest.hexadecimal(of: bytes) == image.digest
    else { return false }
    try AtomicFile.write(bytes, to: folder.picture(image.digest))
    return true
  }
}

/// A file that only this user may read, in a folder of the same kind.
enum PrivateBytes {
  /// - Throws: `Problem`
  static func write(_ bytes: [UInt8], to path: String) throws {
    try NewFolder.make(URL(fileURLWithPath: path).deletingLastPathComponent().path, mode: 0o700)
    let mask = umask(0o077)
    defer { umask(mask) }
    try AtomicFile.write(bytes, to: path)
  }
}
