import Foundation
import JobStore
import TestSupport
import Testing

/// A batch in shards, as this queue's commands see it. Nobody renders it.
@Suite struct ShardCommandTests {
  private let command: Command
  private var folder: String { command.folder + "/shards" }
  private var line: String {
    "batch 1 (b): in shards \(folder); `segmoectl collect \(folder)` brings home what is done\n"
  }

  init() throws {
    command = try Command()
    _ = try command("enqueue", "a", "b", "--model", "m", "--name", "b")
    // No shard is empty.
    #expect(try shard("b").output.hasPrefix("batch 1: 2 jobs in 2 shards, 2 at a time, in \(folder); "))
  }

  private func shard(_ batch: String, to path: String? = nil) throws -> Outcome {
    try command("shard", batch, "--shards", "5", "--to", path ?? folder, "--models", "/models")
  }

  @Test func everybodySaysWhereTheJobsAre() throws {
    #expect(try command("status").output.contains(line))
    #expect(try command("list").output.contains("in shards \(folder)"))
    #expect(try command("show", "1").output.contains(folder))
    #expect(try command("list", "--json").list().allSatisfy { $0["shards"] as? String == folder })
    // They are nothing that a daemon of this queue is wanted for.
    let found = try #require(try command("doctor", "--json").object()["findings"] as? [[String: Any]])
    #expect(found.contains { $0["finding"] as? String == "none has ever worked on this queue" }, "\(found)")
  }

  @Test func theyStayAsTheyAre() throws {
    expectComplaint(try command("edit", "1", "--steps", "5"), code: 65, "job 1 is in shards")
    for more in [[], ["--dry-run"]] {
      expectComplaint(try command.run(["retry", "1"] + more), code: 65, "job 1 is in shards", "--give-up")
    }
    #expect(try command("purge", "--keep", "0").output.contains("0 jobs and 0 pictures are gone"))
    #expect(try command.client().list().allSatisfy { $0.shards == folder })
    // One that is cancelled and wanted again is where it was.
    #expect(try command("cancel", "1").output.hasPrefix("1 cancelled"))
    #expect(try command.client().jobsInShards() == 1)
    #expect(try command("retry", "1").output == "1 queued again\n")
    #expect(try command.client().jobsInShards(batch: 1) == 2)
  }

  @Test(arguments: [["watch", "--batch", "b"], ["watch"], ["watch", "1", "2"]])
  func whoWatchesWaitsOn(arguments: [String]) throws {
    let (output, errors) = (Pipe(), Pipe())
    let process = try command.start(arguments, output: output.fileHandleForWriting, errors: errors)
    let said = GatheredOutput(errors)
    try output.fileHandleForWriting.close()
    var seen = Data()
    while !seen.contains(Data(line.utf8)) {
      let more = output.fileHandleForReading.availableData
      try #require(!more.isEmpty, "it ended: \(String(decoding: seen, as: UTF8.self))")
      seen += more
    }
    // Longer than it takes to notice that no daemon works on the queue.
    Thread.sleep(forTimeInterval: 3)
    #expect(process.isRunning)
    _ = try command("cancel", "--batch", "b")
    process.waitUntilExit()
    #expect(process.terminationStatus == 0)
    #expect(said.text() == "")
  }

  /// A job beside them needs a daemon all the same.
  @Test func aJobThatIsHereIsMissed() throws {
    _ = try command("enqueue", "c", "--model", "m")
    let errors = Pipe()
    let process = try command.start(["watch"], output: .nullDevice, errors: errors)
    try errors.fileHandleForWriting.close()
    var said = Data()
    while !said.contains(Data("no segmoed works on".utf8)) {
      let more = errors.fileHandleForReading.availableData
      try #require(!more.isEmpty, "it ended: \(String(decoding: said, as: UTF8.self))")
      said += more
    }
    // Threads of tests block SIGTERM, and a program that they start inherits that.
    kill(process.processIdentifier, SIGKILL)
    process.waitUntilExit()
  }

  @Test func aLostFolderIsGivenUp() throws {
    try FileManager.default.removeItem(atPath: folder)
    expectComplaint(
      try command("collect", folder), code: 66, "holds no shards", "batch 1", "--give-up takes them back")
    let outcome = try command("collect", folder, "--give-up")
    #expect(outcome.code == 0 && outcome.errors.contains("nothing comes home"), "\(outcome)")
    #expect(
      outcome.output == "batch 1: 0 done and 0 failed jobs came home; 2 are this queue's again\n",
      "\(outcome)")
    #expect(try command.client().list().allSatisfy { $0.shards == nil && !$0.isHeld })
    expectComplaint(try command("collect", folder, "--give-up"), code: 66, "holds no shards")
  }

  /// A folder that is there keeps its rights; whoever may forge pictures in it is no secret.
  @Test(arguments: [(0o777, true), (0o770, true), (0o755, false)])
  func aFolderThatIsThere(rights: Int, isSaid: Bool) throws {
    _ = try command("enqueue", "c", "--model", "m", "--name", "c")
    let there = command.folder + "/there"
    try FileManager.default.createDirectory(atPath: there, withIntermediateDirectories: true)
    #expect(chmod(there, mode_t(rights)) == 0)
    let outcome = try shard("c", to: there)
    #expect(
      outcome.code == 0 && outcome.errors.contains("others may write into \(there)") == isSaid, "\(outcome)")
  }

  /// Where no folder can be made, that is said, and nothing is held or lost.
  @Test func foldersThatCannotBeMade() throws {
    try command.file("file", Data())
    _ = try command("enqueue", "c", "--model", "m", "--name", "c")
    let below = command.folder + "/file/shards"
    expectComplaint(
      try shard("c", to: below), code: 70, "the folder \(below) cannot be made: Not a directory")
    #expect(try command.client().jobsInShards() == 2)
  }

  @Test func aFolderIsForOneSharding() throws {
    expectComplaint(try shard("b", to: folder + "2"), code: 65, "its jobs are in shards \(folder)")
    #expect(try shard("b").code == 0)
    _ = try command("enqueue", "c", "--model", "m", "--name", "c")
    expectComplaint(try shard("c"), code: 65, "holds other shards")
    try FileManager.default.removeItem(atPath: folder + "/shards.json")
    expectComplaint(try shard("c"), code: 65, "is where the jobs of batch 1 are")
    #expect(try shard("b").code == 0)
    // Shards that are over render nothing.
    #expect(try command("collect", folder, "--give-up").code == 0)
    expectComplaint(try shard("b"), code: 65, "or such as are over")
    #expect(try shard("b", to: folder + "2").code == 0)
    expectComplaint(try command("collect", folder), code: 65, "or put into other shards")
  }

  @Test(arguments: ["a b", "a'b", "a\"b", "a%b", "a$b", "a\nb", "ä"])
  func aFolderThatSlurmCannotName(name: String) throws {
    _ = try command("enqueue", "c", "--model", "m", "--name", "c")
    let outcome = try shard("c", to: command.folder + "/" + name)
    #expect(outcome.code == 64 && outcome.errors.contains("sbatch takes no such path"), "\(outcome)")
    #expect(try command.client().jobsInShards() == 2)
  }

  /// What bash reads of the script is what was said, whatever the folders are called.
  @Test func foldersWithAnyNames() throws {
    _ = try command("enqueue", "c", "--model", "m", "--name", "c")
    let names = ["/a b", "/it's", "/$(touch x)", "/\"", "/new\nline", "/*"]
    let arguments =
      ["shard", "c", "--shards", "1", "--to", folder + "2"] + names.flatMap { ["--models", $0] }
    #expect(try command.run(arguments).code == 0)
    let script = try String(contentsOfFile: folder + "2/job.sh", encoding: .utf8)
    let start = try #require(script.range(of: "options=("))
    let end = try #require(script.range(of: ")\nshard="))
    let line = script[start.lowerBound..<end.lowerBound] + ")"
    let outcome = try Outcome(
      of: "/bin/bash", ["-c", line + "\nprintf '%s\\0' \"${options[@]}\""],
      environment: ["PATH": "/usr/bin:/bin"])
    let words = outcome.output.split(separator: "\0").map(String.init)
    #expect(words.count(where: { $0 == "--models" }) == names.count + 1)
    for name in names { #expect(words.contains(name), "\(words)") }
  }
}
