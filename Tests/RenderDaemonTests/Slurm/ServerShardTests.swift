import Foundation
import JobStore
import Requests
import TestSupport
import Testing

/// Batches of a queue on a server that machines without a server render.
@Suite(.enabled(if: PostgresServer.isInstalled, Comment(rawValue: PostgresServer.absence)))
struct ServerShardTests {
  private static let steps = 3

  @Test func theSamePicturesComeHome() throws {
    let world = try ServerShardHouse()
    let house = world.house
    _ = try house.client.enqueue(
      BatchRequest(), requests: ShardHouse.requests(jobs: 3, steps: Self.steps))
    let made = try world.shard()
    #expect(made.code == 0 && made.output.hasPrefix("batch 1: 3 jobs in 3 shards"), "\(made)")
    // The server's daemons leave them alone, and wait for none of them.
    try house.drain()
    #expect(try house.client.jobsInShards(batch: nil) == 3)
    #expect(try house.client.status().counts.queued == 3)
    try world.render(0..<2)
    #expect(
      try world.collect()
        == ["batch": 1, "done": 2, "failed": 0, "known": 0, "left": 1, "taken_back": 0])
    try world.render(2..<3)
    #expect(try world.collect()["done"] == 1)
    #expect(try world.collect()["done"] == 0)
    var pictures: [String: Data] = [:]
    for name in TemporaryFolder.files(below: house.output) {
      pictures[name] = try Data(contentsOf: URL(fileURLWithPath: house.output + "/" + name))
    }
    #expect(try pictures == ShardHouse.undisturbed(jobs: 3, steps: Self.steps))
    for job in 1...3 as ClosedRange<Int64> {
      let details = try house.client.details(job: job)
      #expect(details.job.state == .done && details.job.completion?.modelDigest?.count == 64)
      #expect(details.images.first?.numerics != nil)
      // As a daemon has it, the shared place has them, too.
      let digest = try #require(details.images.first?.digest)
      #expect(FileManager.default.fileExists(atPath: "\(world.place)/files/\(digest)"))
    }
    let seen = try world.client(["view", "1"], on: "third")
    #expect(seen.code == 0, "\(seen)")
    #expect(try house.client.batch(1).shards == nil)
  }

  /// What jobs name by its digest is brought from the shared place, and travels as a file.
  @Test func whatIsSharedTravels() throws {
    let world = try ServerShardHouse()
    try world.folder.copy(Places.golden("images/picture.png"), to: "start.png")
    let queued = try world.client([
      "enqueue", "a red fox", "--model", "tiny", "--init-image", "start.png", "--strength", "0.8", "--width",
      "96", "--height", "96", "--precision", "f32", "--steps", "4", "--scheduler", "ddpm", "--seed", "3",
    ])
    #expect(queued.code == 0, "\(queued)")
    try FileManager.default.removeItem(atPath: world.folder.file("start.png"))
    // Who knows no place cannot have it: nothing is held then.
    let refused = try world.shard(shares: false)
    #expect(refused.code == 64 && refused.errors.contains("SEGMOE_SHARED"), "\(refused)")
    #expect(try world.house.client.jobsInShards(batch: nil) == 0)
    #expect(!FileManager.default.fileExists(atPath: world.shards))
    let made = try world.shard()
    #expect(made.code == 0, "\(made)")
    let files = TemporaryFolder.files(below: world.shards + "/files")
    #expect(files.count == 1 && files.allSatisfy { $0.hasSuffix("/start.png") }, "\(files)")
    try world.render(0..<1)
    #expect(try world.collect()["done"] == 1)
  }

  /// A model is large: it is copied if that is said.
  @Test func aModelByItsDigest() throws {
    let world = try ServerShardHouse()
    let queued = try world.client([
      "enqueue", "a red fox", "--model", world.house.file("models/tiny"), "--width", "64", "--height", "64",
      "--steps", "3", "--scheduler", "ddim", "--seed", "3",
    ])
    #expect(queued.code == 0, "\(queued)")
    let refused = try world.shard()
    #expect(refused.code == 65 && refused.errors.contains("--copy-models"), "\(refused)")
    #expect(try world.house.client.jobsInShards(batch: nil) == 0)
    #expect(try world.shard(["--copy-models"]).code == 0)
    #expect(TemporaryFolder.files(below: world.shards + "/files").contains { $0.contains("/tiny/") })
    try FileManager.default.createDirectory(
      atPath: world.house.file("none"), withIntermediateDirectories: true)
    try world.render(0..<1, models: "none")
    #expect(try world.collect()["done"] == 1)
  }

  /// A path in a row of a queue that many write is another machine's: what lies there on this one is nobody else's business.
  @Test func aPathIsNotFollowed() throws {
    let world = try ServerShardHouse()
    _ = try world.house.client.enqueue(
      BatchRequest(), requests: ShardHouse.requests(jobs: 1, steps: Self.steps))
    try world.folder.copy(Places.golden("images/picture.png"), to: "private.png")
    let path = world.folder.file("private.png")
    try PostgresServer.sql(at: world.house.address, "UPDATE jobs SET init_image = '\(path)', strength = 0.5")
    let refused = try world.shard()
    #expect(refused.code == 65 && refused.errors.contains("may be something else"), "\(refused)")
    #expect(!FileManager.default.fileExists(atPath: world.shards))
    #expect(try world.house.client.jobsInShards(batch: nil) == 0)
    // All machines have it there, as somebody says who knows.
    #expect(try world.shard(["--shared", world.folder.path]).code == 0)
    #expect(TemporaryFolder.files(below: world.shards + "/files") == [])
  }
}
