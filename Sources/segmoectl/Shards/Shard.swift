import ArgumentParser
import Boundary
import CommandLine
import Foundation
import Images
import JobStore

/// `segmoectl shard`
struct Shard: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Put a batch into a shared folder, to be rendered by many machines.",
    discussion: """
      The waiting jobs of the batch are dealt out to small queues in DIR, which Slurm renders without a server: see \
      docs/slurm.md. Until `segmoectl collect` has brought them home, this queue's daemons leave them alone. Jobs keep \
      their numbers, and so their pictures their bytes.

      DIR must be a folder that all machines share. LoRAs, VAEs, learned words, starting pictures and masks are copied into \
      it, also from the place that a queue of PostgreSQL shares ($SEGMOE_SHARED). Models are found by their names, in --models.
      """)

  @OptionGroup var location: Location

  @Argument(help: "The batch: its number or name.")
  var batch: BatchReference

  @Option(
    parsing: .unconditional,
    help: """
      How many shards are rendered at a time. Four times as many are made, so that a slow machine holds up little.
      """)
  var shards: Int

  @Option(name: .customLong("to"), help: ArgumentHelp("The folder to make.", valueName: "dir"))
  var folder: String

  @Option(help: ArgumentHelp("Where the machines have models. May be repeated.", valueName: "folder"))
  var models: [String] = []

  @Option(
    help: ArgumentHelp(
      "A folder that all machines have under this path; what lies in it is not copied. May be repeated.",
      valueName: "folder"))
  var shared: [String] = []

  @Flag(help: "Copy models that jobs name by a path, too.")
  var copyModels = false

  @OptionGroup var format: Format

  /// How many shards are made for each that is rendered at a time.
  static let overSharding = 4

  func run() throws {
    guard (1...ShardFolder.mostShards / Self.overSharding).contains(shards) else {
      throw Problem.usage("--shards must be 1 to \(ShardFolder.mostShards / Self.overSharding)")
    }
    let target = ShardFolder(path: absolutePath(folder))
    guard ShardScript.isPlain(target.path) else {
      throw Problem.usage(
        "--to \(target.path): sbatch takes no such path; use letters, digits and ./_-+@,=: for its folders")
    }
    let queue = location.place
    let store = try queue.open(for: .changing)
    let number = try batch.number(in: store)
    if try announceIfMade(target, number, store) { return }
    let isNew = access(target.path, F_OK) != 0
    let lock = try FolderLock(target.path, for: "segmoectl shard")
    defer { lock.release() }
    do {
      // Another may have made them until just now.
      if try announceIfMade(target, number, store) { return }
      if target.isOpenToOthers {
        complain("others may write into \(target.path), and so make pictures that say they are of these jobs")
      }
      let files = try files(for: target, of: queue)
      let held = try store.putInShards(batch: number, folder: target.path)
      do {
        announce(target, try fill(target, held, store, files), jobs: held.jobs.count)
      } catch {
        // What is not there cannot be rendered there.
        _ = try? store.takeOutOfShards(batch: number)
        throw error
      }
    } catch {
      if isNew { try? FileManager.default.removeItem(atPath: target.path) }
      throw error
    }
  }

  /// Says what there is if a folder holds whole shards.
  /// - Throws: `Problem` if they are others than a batch's.
  private func announceIfMade(_ target: ShardFolder, _ batch: Int64, _ store: any JobQueue) throws -> Bool {
    guard access(target.manifestPath, F_OK) == 0 else { return false }
    let manifest = try target.manifest()
    // Those of this batch, too, once they are over: what is retried later needs others.
    guard let known = try store.shardedBatch(key: manifest.key), known.batch == batch,
      known.folder == target.path
    else {
      throw Problem.badInput("\(target.path) holds other shards, or such as are over: name a new folder")
    }
    announce(target, manifest, jobs: known.jobs.count)
    return true
  }

  private func files(for target: ShardFolder, of queue: QueuePlace) throws -> ShardFiles {
    let common = try SharedOption.place(of: queue)
    try common?.prepareCache()
    return ShardFiles(
      target, shared: shared.map(absolutePath), copiesModels: copyModels, ownsPaths: queue.isFile,
      common: common)
  }

  /// Writes the shards, and last what makes them one.
  private func fill(
    _ target: ShardFolder, _ held: ShardedBatch, _ store: any JobQueue, _ files: ShardFiles
  ) throws -> ShardFolder.Manifest {
    var files = files
    try target.make()
    files.removeParts()
    let count = min(held.jobs.count, shards * Self.overSharding)
    let manifest = ShardFolder.Manifest(
      key: held.key, batch: held.batch, shards: count, tasks: min(shards, count), folder: target.path)
    let local = FileManager.default.temporaryDirectory.path + "/segmoe-shard-\(UUID().uuidString)"
    try NewFolder.make(local, mode: 0o700)
    defer { try? FileManager.default.removeItem(atPath: local) }
    let (empty, queue) = (local + "/empty.sqlite", local + "/queue.sqlite")
    try ShardQueue.makeEmpty(empty, in: local)
    for shard in 0..<count {
      // Dealt out like cards: each shard has jobs from everywhere, so that they take about the same time.
      let jobs = stride(from: shard, to: held.jobs.count, by: count).map { held.jobs[$0] }
      try ShardQueue.make(queue, from: empty, of: jobs, batch: held.batch, in: store) {
        try files.place($0, $1, $2)
      }
      try AtomicFile.write(try FileBytes.read(queue, limit: .max), to: target.shard(shard))
    }
    if models.isEmpty, !files.names.isEmpty {
      complain(
        "jobs name models by their names (\(files.names.sorted().prefix(5).joined(separator: ", "))): the machines' "
          + "configuration must say where these are, or --models does")
    }
    if models.isEmpty, files.hasWeights {
      complain(
        "\(target.files) has files that go with models: if the machines' configuration names their folders of models, it "
          + "must name this one, too, or --models says where all models are")
    }
    let script = ShardScript(
      folder: target, manifest: manifest, models: models.map(absolutePath), shared: shared.map(absolutePath))
    try AtomicFile.write(Array(script.text.utf8), to: target.script)
    chmod(target.script, 0o700)
    try target.write(manifest)
    return manifest
  }

  private func announce(_ target: ShardFolder, _ manifest: ShardFolder.Manifest, jobs: Int) {
    if format.json {
      let answer = JSONText.object([
        ("batch", .integer(manifest.batch)), ("jobs", .integer(jobs)), ("shards", .integer(manifest.shards)),
        ("at_a_time", .integer(manifest.tasks)), ("folder", .string(target.path)),
      ])
      print(answer.text)
    } else {
      print(
        PlainText.line(
          "batch \(manifest.batch): \(jobs) jobs in \(manifest.shards) shards, \(manifest.tasks) at a time, in "
            + "\(target.path); `segmoectl submit --slurm \(target.path)` renders them"))
    }
  }
}
