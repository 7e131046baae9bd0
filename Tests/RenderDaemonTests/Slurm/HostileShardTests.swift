import Foundation
import GRDB
import JobStore
import TestSupport
import Testing

/// What lies in the folder of the shards may be other people's.
@Suite struct HostileShardTests {
  private static let steps = 3

  /// Changes what an attempt has left, or the pictures, in ways that nobody should.
  private static let damages: [(String, @Sendable (ShardHouse) throws -> Void)] = [
    (
      "a digest that is none",
      { try $0.change("UPDATE images SET digest = replace(digest, substr(digest, 1, 1), '/')") }
    ),
    ("a path that leads out", { try $0.change("UPDATE images SET path = '../../' || path") }),
    ("an absolute path", { try $0.change("UPDATE images SET path = '/' || path") }),
    ("another seed", { try $0.change("UPDATE images SET seed = seed + 1") }),
    ("a picture too few", { try $0.change("DELETE FROM images") }),
    ("an absurd size", { try $0.change("UPDATE images SET width = 9223372036854775807") }),
    ("an absurd time", { try $0.change("UPDATE jobs SET finished_at = 9223372036854775807") }),
    ("a state that is none", { try $0.change("UPDATE jobs SET error_kind = 'x', model_digest = 'y'") }),
    (
      "a view for a table",
      { try $0.change("ALTER TABLE images RENAME TO pictures; CREATE VIEW images AS SELECT * FROM pictures") }
    ),
    (
      "a name that no daemon would give",
      { try $0.change("UPDATE images SET path = 'another batch/1-0.png'") }
    ),
    (
      "another program's database",
      { house in
        try FileManager.default.removeItem(atPath: house.attempt)
        let other = try DatabaseQueue(path: house.attempt)
        try other.write {
          try $0.execute(sql: "CREATE TABLE jobs (id, batch, state); INSERT INTO jobs VALUES (1, 1, 'done')")
        }
        try other.close()
      }
    ),
    (
      "a pipe",
      { house in
        try FileManager.default.removeItem(atPath: house.attempt)
        #expect(mkfifo(house.attempt, 0o600) == 0)
      }
    ),
    ("more than a queue ever has", { #expect(truncate($0.attempt, 2 << 30) == 0) }),
    (
      "a link for an attempt",
      { house in
        let elsewhere = house.house.folder + "/elsewhere.sqlite"
        try FileManager.default.moveItem(atPath: house.attempt, toPath: elsewhere)
        try FileManager.default.createSymbolicLink(atPath: house.attempt, withDestinationPath: elsewhere)
      }
    ),
    ("no database", { try $0.overwrite(Data("hello".utf8)) }),
    ("half a database", { try $0.overwrite($0.bytes().prefix(5000)) }),
    (
      "a picture that is missing",
      { house in for file in try house.travelling() { try FileManager.default.removeItem(atPath: file) } }
    ),
    (
      "a picture with other bytes",
      { house in
        for file in try house.travelling() {
          let handle = try FileHandle(forUpdating: URL(fileURLWithPath: file))
          try handle.seek(toOffset: 60)
          try handle.write(contentsOf: Data("xx".utf8))
          try handle.close()
        }
      }
    ),
    (
      "a link for a picture",
      { house in
        for file in try house.travelling() {
          try FileManager.default.moveItem(atPath: file, toPath: house.house.folder + "/elsewhere.png")
          try FileManager.default.createSymbolicLink(
            atPath: file, withDestinationPath: house.house.folder + "/elsewhere.png")
        }
      }
    ),
    (
      "another job's picture",
      { try $0.change("UPDATE jobs SET id = 2; UPDATE images SET job = 2", foreignKeys: false) }
    ),
  ]

  @Test(arguments: damages.indices) func damagedShardsAreLeftOut(index: Int) throws {
    let (what, damage) = Self.damages[index]
    // Of the jobs only the first is rendered.
    let shards = try ShardHouse(jobs: 2, steps: Self.steps)
    try shards.shard(at: 1)
    try shards.render(0)
    try damage(shards)
    let outside = shards.house.files()
    let collected = try shards.collect()
    #expect(collected["done"] == 0 && collected["left"] == 2, "\(what): \(collected)")
    #expect(try shards.house.job(1).state == .queued, "\(what)")
    #expect(shards.house.files() == outside, "\(what)")
    // Rendered once more, it comes home.
    try? FileManager.default.removeItem(atPath: shards.shards + "/results/0000.1.sqlite")
    try? FileManager.default.removeItem(atPath: shards.shards + "/pictures")
    try FileManager.default.createDirectory(
      atPath: shards.shards + "/pictures", withIntermediateDirectories: true)
    try shards.render(0, attempt: "again")
    #expect(try shards.collect()["done"] == 1, "\(what)")
  }

  @Test func theFolderOfAnotherQueue() throws {
    let (one, other) = (try ShardHouse(jobs: 1, steps: 1), try ShardHouse(jobs: 1, steps: 1))
    try one.shard()
    let refused = try RealClient.run(other.house, ["collect", one.shards])
    #expect(refused.answer == nil && refused.error.contains("of another queue"), "\(refused)")
    try Data("{}".utf8).write(to: URL(fileURLWithPath: one.shards + "/shards.json"))
    let damaged = try RealClient.run(one.house, ["collect", one.shards])
    #expect(damaged.answer == nil && damaged.error.contains("is damaged"), "\(damaged)")
  }

  /// One wrong row keeps no other job from coming home.
  @Test func theOthersOfADamagedShard() throws {
    let shards = try ShardHouse(jobs: 5, steps: Self.steps)
    try shards.shard(at: 1)
    try shards.render(0)
    try shards.change("UPDATE jobs SET model_digest = 'y' WHERE id = 1")
    #expect(try shards.collect()["done"] == 1)
    #expect(try (shards.house.job(1).state, shards.house.job(5).state) == (.queued, .done))
  }

  /// What a job has added to its model has digests, too.
  @Test(arguments: ["+A", "+vae:A", "+A+vae:A"]) func digestsOfWhatIsAdded(to digest: String) throws {
    let shards = try ShardHouse(jobs: 1, steps: Self.steps)
    try shards.shard()
    try shards.render(0)
    let added = digest.replacing("A", with: String(repeating: "a", count: 64))
    try shards.change("UPDATE jobs SET model_digest = model_digest || '\(added)'")
    #expect(try shards.collect()["done"] == 1)
    #expect(try shards.house.job(1).completion?.modelDigest?.hasSuffix(added) == true)
  }

  /// Machines that differ are named.
  @Test func machinesThatDiffer() throws {
    let shards = try ShardHouse(jobs: 2, steps: Self.steps)
    try shards.shard()
    for shard in 0..<2 { try shards.render(shard) }
    try shards.change(
      "UPDATE jobs SET model_digest = '\(String(repeating: "b", count: 64))'; UPDATE images SET numerics = '1/other/x'"
    )
    let answer = try RealClient.run(
      shards.house, ["collect", shards.shards, "--output", shards.house.output])
    #expect(answer.answer?.contains("2 done") == true)
    #expect(answer.error.contains("different weights under the name tiny"), "\(answer)")
    #expect(answer.error.contains("several classes of numerics, whose last bits differ: "), "\(answer)")
    #expect(answer.error.contains("1/other/x"), "\(answer)")
  }

  /// A machine whose clock is years ahead, or hours behind: all of it was between the enqueue and now.
  @Test(arguments: [
    "UPDATE jobs SET started_at = 9000000000000, finished_at = 9000000000000; UPDATE events SET at = 9000000000000",
    "UPDATE jobs SET started_at = started_at - 7200000, finished_at = finished_at - 7200000; "
      + "UPDATE events SET at = at - 7200000",
  ])
  func timesOfAWrongClock(change: String) throws {
    let shards = try ShardHouse(jobs: 1, steps: Self.steps)
    try shards.shard()
    try shards.render(0)
    try shards.change(change)
    #expect(try shards.collect()["done"] == 1)
    let details = try shards.house.client.details(job: 1)
    let possible = details.job.createdAt...Date().milliseconds
    #expect(possible.contains(try #require(details.job.startedAt)))
    #expect(possible.contains(try #require(details.job.finishedAt)))
    #expect(!details.events.isEmpty && details.events.allSatisfy { possible.contains($0.at) })
  }

  /// A picture whose folder would be where a file is keeps no other job from coming home.
  @Test func aFileInThePlaceOfAFolder() throws {
    let shards = try ShardHouse(jobs: 1, steps: 1)
    _ = try shards.house.client.enqueue(
      BatchRequest(name: "b", namePattern: "{job}"),
      requests: ShardHouse.requests(jobs: 2, steps: Self.steps))
    try shards.ctl("shard", "b", "--shards", "2", "--to", shards.shards, "--models", shards.house.models)
    for shard in 0..<2 { try shards.render(shard) }
    try FileManager.default.createDirectory(
      atPath: shards.house.output, withIntermediateDirectories: true)
    try Data().write(to: URL(fileURLWithPath: shards.house.output + "/mine.png"))
    try shards.change("UPDATE images SET path = 'mine.png/' || path")
    let collected = try shards.collect()
    #expect(collected["done"] == 1 && collected["left"] == 1, "\(collected)")
    #expect(shards.house.files() == ["3.png", "mine.png"])
  }

  /// Rather than nothing to collect it is a fault.
  @Test func resultsThatCannotBeRead() throws {
    let shards = try ShardHouse(jobs: 1, steps: Self.steps)
    try shards.shard()
    try shards.render(0)
    let (results, elsewhere) = (shards.shards + "/results", shards.house.folder + "/elsewhere")
    try FileManager.default.moveItem(atPath: results, toPath: elsewhere)
    try FileManager.default.createSymbolicLink(atPath: results, withDestinationPath: elsewhere)
    let refused = try RealClient.run(
      shards.house, ["collect", shards.shards, "--output", shards.house.output])
    #expect(refused.answer == nil && refused.error.contains("results cannot be read"), "\(refused)")
    #expect(try shards.house.job(1).state == .queued)
  }
}

extension ShardHouse {
  /// The one attempt at the first shard.
  var attempt: String { shards + "/results/0000.1.sqlite" }

  /// Changes what the attempt says.
  func change(_ sql: String, foreignKeys: Bool = true) throws {
    var configuration = Configuration()
    configuration.foreignKeysEnabled = foreignKeys
    let queue = try DatabaseQueue(path: attempt, configuration: configuration)
    try queue.writeWithoutTransaction { db in
      try db.execute(sql: "PRAGMA ignore_check_constraints = ON")
      try db.execute(sql: sql)
    }
    try queue.close()
  }

  func bytes() throws -> Data { try Data(contentsOf: URL(fileURLWithPath: attempt)) }

  func overwrite(_ bytes: some DataProtocol) throws {
    try Data(bytes).write(to: URL(fileURLWithPath: attempt))
  }

  /// The pictures in the shared folder.
  func travelling() throws -> [String] {
    try FileManager.default.contentsOfDirectory(atPath: shards + "/pictures").map {
      "\(shards)/pictures/\($0)"
    }
  }
}
