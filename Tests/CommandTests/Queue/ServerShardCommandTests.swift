import Foundation
import TestSupport
import Testing

/// A batch of a queue on a server in shards, as its commands see it. Nobody renders it; `ServerShardTests` does.
@Suite(.enabled(if: PostgresServer.isInstalled, Comment(rawValue: PostgresServer.absence)))
struct ServerShardCommandTests {
  private let command: Command
  private let address: String
  private var folder: String { command.folder + "/shards" }
  private var line: String {
    "batch 1 (b): in shards \(folder); `segmoectl collect \(folder)` brings home what is done\n"
  }

  init() throws {
    command = try Command()
    address = try PostgresServer.shared().newDatabase()
    #expect(try run("enqueue", "a", "b", "--model", "m", "--name", "b").code == 0)
    let made = try shard("b")
    #expect(
      made.code == 0 && made.output.hasPrefix("batch 1: 2 jobs in 2 shards, 2 at a time, in \(folder); "),
      "\(made)")
  }

  private func run(_ arguments: String...) throws -> Outcome {
    try command.run(arguments, environment: ["SEGMOE_DATABASE": address])
  }

  private func shard(_ batch: String, to path: String? = nil) throws -> Outcome {
    try run("shard", batch, "--shards", "5", "--to", path ?? folder, "--models", "/models")
  }

  @Test func everybodySaysWhereTheJobsAre() throws {
    #expect(try run("status").output.contains(line))
    #expect(try run("list").output.contains("in shards \(folder)"))
    #expect(try run("show", "1").output.contains(folder))
    #expect(try run("list", "--json").list().allSatisfy { $0["shards"] as? String == folder })
    #expect(
      try PostgresServer.sql(at: address, "SELECT DISTINCT state FROM job_overview") == [
        "in shards \(folder)"
      ]
    )
  }

  @Test func theyStayAsTheyAre() throws {
    expectComplaint(try run("edit", "1", "--steps", "5"), code: 65, "job 1 is in shards")
    expectComplaint(try run("retry", "1"), code: 65, "job 1 is in shards", "--give-up")
    expectComplaint(try run("retry", "1", "--dry-run"), code: 65, "job 1 is in shards", "--give-up")
    #expect(try run("purge", "--keep", "0").output.contains("0 jobs and 0 pictures are gone"))
    // One that is cancelled and wanted again is where it was.
    #expect(try run("cancel", "1").output.hasPrefix("1 cancelled"))
    #expect(try run("retry", "1").output.hasPrefix("1 queued again"))
    #expect(try run("list", "--json").list().allSatisfy { $0["shards"] as? String == folder })
  }

  @Test func whoWatchesWaitsOn() throws {
    let (output, errors) = (Pipe(), Pipe())
    let process = try command.start(
      ["watch", "--batch", "b"], environment: ["SEGMOE_DATABASE": address],
      output: output.fileHandleForWriting, errors: errors)
    let said = GatheredOutput(errors)
    try output.fileHandleForWriting.close()
    var seen = Data()
    while !seen.contains(Data(line.utf8)) {
      let more = output.fileHandleForReading.availableData
      try #require(!more.isEmpty, "it ended: \(String(decoding: seen, as: UTF8.self))")
      seen += more
    }
    #expect(process.isRunning)
    #expect(try run("cancel", "--batch", "b").code == 0)
    process.waitUntilExit()
    #expect(process.terminationStatus == 0)
    // Nobody says that a daemon is missing.
    #expect(said.text() == "")
  }

  @Test func aLostFolderIsGivenUp() throws {
    try FileManager.default.removeItem(atPath: folder)
    expectComplaint(
      try run("collect", folder), code: 66, "holds no shards", "batch 1", "--give-up takes them back")
    let outcome = try run("collect", folder, "--give-up")
    #expect(outcome.code == 0 && outcome.errors.contains("nothing comes home"), "\(outcome)")
    #expect(
      outcome.output == "batch 1: 0 done and 0 failed jobs came home; 2 are this queue's again\n",
      "\(outcome)")
    #expect(try run("list", "--json").list().allSatisfy { $0["shards"] is NSNull })
  }

  /// Interrupted before the folder was whole, it is run again; shards that are over render nothing.
  @Test func aFolderIsForOneSharding() throws {
    expectComplaint(try shard("b", to: folder + "2"), code: 65, "its jobs are in shards \(folder)")
    #expect(try shard("b").code == 0)
    try FileManager.default.removeItem(atPath: folder + "/shards.json")
    #expect(try shard("b").code == 0)
    #expect(try run("collect", folder).output.hasSuffix("2 are not over\n"))
    #expect(try run("collect", folder, "--give-up").code == 0)
    expectComplaint(try shard("b"), code: 65, "or such as are over")
    #expect(try shard("b", to: folder + "2").code == 0)
    // Nor does another queue take what is of this one.
    #expect(try command("enqueue", "x", "--model", "m").code == 0)
    expectComplaint(try command("collect", folder + "2"), code: 65, "of another queue")
  }
}
