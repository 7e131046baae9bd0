import Foundation
import TestSupport
import Testing

/// A queue on a server, a folder for the shards of its batch, and what its client shares with other machines.
struct ServerShardHouse {
  let house: ServerHouse
  let folder: TemporaryFolder
  var shards: String { house.file("shards") }
  var place: String { folder.file("place") }

  init() throws {
    house = try ServerHouse()
    folder = try TemporaryFolder("place")
  }

  /// What a client is told.
  /// - Parameters:
  ///   - machine: whose folders it has.
  ///   - shares: whether it knows the shared place.
  ///   - way: another address of the queue; nil: the server's own.
  func environment(of machine: String = "a", shares: Bool = true, by way: String? = nil) -> [String: String] {
    var environment = [
      "SEGMOE_DATABASE": way ?? house.address, "HOME": folder.file(machine), "TMPDIR": folder.path,
      "PATH": "/usr/bin:/bin",
    ]
    if shares { environment["SEGMOE_SHARED"] = place }
    return environment
  }

  /// Runs a client to its end; the rest is what it is told.
  func client(
    _ arguments: [String], on machine: String = "a", shares: Bool = true, by way: String? = nil
  ) throws -> Outcome {
    try Outcome(
      of: "segmoectl", arguments, in: folder.path,
      environment: environment(of: machine, shares: shares, by: way))
  }

  /// Puts the batch into shards, a job each.
  func shard(shares: Bool = true, _ more: [String] = []) throws -> Outcome {
    try client(
      ["shard", "1", "--shards", "1", "--to", self.shards, "--models", house.file("models")] + more,
      shares: shares)
  }

  /// Renders some of them, on another machine.
  func render(_ shards: Range<Int>, models: String = "models") throws {
    let node = ShardNode(shards: self.shards, folder: house.file("node"), models: house.file(models))
    for shard in shards { try node.render(shard) }
  }

  /// Brings home what is rendered.
  /// - Returns: how many jobs came how.
  func collect(_ more: String...) throws -> [String: Int] {
    let outcome = try client(["collect", shards, "--output", house.output, "--json"] + more)
    try #require(outcome.code == 0, "\(outcome)")
    return try JSONDecoder().decode([String: Int].self, from: Data(outcome.output.utf8))
  }
}
