import ArgumentParser
import Boundary
import CommandLine
import Foundation
import JobStore

/// `segmoectl collect`
struct Collect: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Bring home what shards have rendered.",
    discussion: """
      Pictures and outcomes of jobs that are over come into this queue, failed ones too. It may be run at any time and as \
      often as you like: what is here stays as it is. When all jobs are back, the shards are over, and DIR may be removed.
      """)

  @OptionGroup var location: Location

  @Argument(help: ArgumentHelp("The folder of the shards.", valueName: "dir"))
  var folder: String

  @Option(
    help: ArgumentHelp(
      "The folder of the daemons' pictures (default: $SEGMOE_OUTPUT, the service's, or `images` beside the queue).",
      valueName: "folder"))
  var output: String?

  @OptionGroup var sharedOption: SharedOption

  @Flag(help: "Give the shards up: jobs that are not over are this queue's again.")
  var giveUp = false

  @OptionGroup var format: Format

  func run() throws {
    let shards = ShardFolder(path: absolutePath(folder))
    let queue = location.place
    let common = try sharedOption.place(of: queue)
    let store = try queue.open(for: .changing)
    let batch: ShardedBatch
    do {
      batch = try known(try shards.manifest(), of: shards, in: store)
    } catch let problem as Problem {
      // The folder is lost, and with it what is in it; this queue knows which of its jobs were there.
      guard let lost = try store.shardedBatch(folder: shards.path) else { throw problem }
      guard giveUp else {
        throw Problem.missing(
          "\(problem.message); the jobs of batch \(lost.batch) are in shards there: --give-up takes them back"
        )
      }
      complain("nothing comes home: \(problem.message)")
      return try giveUp(lost, after: nil, store)
    }
    let place = output.map(absolutePath) ?? queue.output(environment: ProcessInfo.processInfo.environment)
    var harvest = Harvest(folder: shards, batch: batch, store: store, output: place, common: common)
    try harvest.run()
    for notice in harvest.notices { complain(notice) }
    if harvest.done > 0 { try sayMixtures(of: batch, store) }
    let left = try store.settleShards(batch)
    if giveUp, left > 0 { return try giveUp(batch, after: harvest, store) }
    announce(batch, harvest, left: left, takenBack: 0)
  }

  /// The batch that a folder of shards is of.
  /// - Throws: `Problem` if it is of another queue.
  private func known(
    _ manifest: ShardFolder.Manifest, of shards: ShardFolder, in store: any JobQueue
  ) throws -> ShardedBatch {
    guard let batch = try store.shardedBatch(key: manifest.key), batch.batch == manifest.batch else {
      throw Problem.badInput(
        "\(shards.path) is of another queue than \(store.path), or of a batch that was purged or put into other shards "
          + "since: --database names another queue")
    }
    return batch
  }

  /// Says what makes pictures other than one machine's.
  private func sayMixtures(of batch: ShardedBatch, _ store: any JobQueue) throws {
    let (models, classes) = try store.mixtures(ofBatch: batch.batch)
    for model in models {
      complain(
        "machines have different weights under the name \(model): `segmoectl show ID --json` says which job had which "
          + "(model_digest)")
    }
    if !classes.isEmpty {
      complain(
        "pictures are of several classes of numerics, whose last bits differ: \(classes.joined(separator: ", "))"
      )
    }
  }

  private func giveUp(_ batch: ShardedBatch, after harvest: Harvest?, _ store: any JobQueue) throws {
    let takenBack = try store.takeOutOfShards(batch: batch.batch)
    announce(batch, harvest, left: 0, takenBack: takenBack)
  }

  private func announce(_ batch: ShardedBatch, _ harvest: Harvest?, left: Int, takenBack: Int) {
    let (done, failed) = (harvest?.done ?? 0, harvest?.failed ?? 0)
    if format.json {
      let answer = JSONText.object([
        ("batch", .integer(batch.batch)), ("done", .integer(done)), ("failed", .integer(failed)),
        ("known", .integer(harvest?.known ?? 0)), ("left", .integer(left)),
        ("taken_back", .integer(takenBack)),
      ])
      print(answer.text)
    } else {
      let rest =
        takenBack > 0
        ? "\(takenBack) are this queue's again" : left > 0 ? "\(left) are not over" : "all are here"
      print("batch \(batch.batch): \(done) done and \(failed) failed jobs came home; \(rest)")
    }
  }
}
