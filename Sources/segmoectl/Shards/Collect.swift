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

  @Flag(help: "Give the shards up: jobs that are not over are this queue's again.")
  var giveUp = false

  @OptionGroup var format: Format

  func run() throws {
    let shards = ShardFolder(path: absolutePath(folder))
    let manifest = try shards.manifest()
    let store = try location.openFile(for: .changing)
    guard let batch = try store.shardedBatch(key: manifest.key), batch.batch == manifest.batch else {
      throw Problem.badInput(
        "\(shards.path) is of another queue than \(store.path): name that with --database")
    }
    let place =
      output.map(absolutePath) ?? location.place.output(environment: ProcessInfo.processInfo.environment)
    var harvest = Harvest(folder: shards, batch: batch, store: store, output: place)
    try harvest.run()
    var left = try store.settleShards(batch)
    var takenBack = 0
    if giveUp, left > 0 {
      takenBack = try store.takeOutOfShards(batch: batch.batch)
      left = 0
    }
    for notice in harvest.notices { complain(notice) }
    if format.json {
      let answer = JSONText.object([
        ("batch", .integer(batch.batch)), ("done", .integer(harvest.done)),
        ("failed", .integer(harvest.failed)),
        ("known", .integer(harvest.known)), ("left", .integer(left)), ("taken_back", .integer(takenBack)),
      ])
      print(answer.text)
    } else {
      let rest =
        takenBack > 0
        ? "\(takenBack) are this queue's again" : left > 0 ? "\(left) are not over" : "all are here"
      print("batch \(batch.batch): \(harvest.done) done and \(harvest.failed) failed jobs came home; \(rest)")
    }
  }
}
