import Foundation
import TestSupport
import Testing

/// `--database postgresql://…`: what works there, and what says plainly that it does not.
@Suite struct ServerQueueTests {
  private static let nowhere = "postgresql://ann:s3cret@/queue?host=/nowhere/at/all"

  @Test(arguments: [
    ["purge", "--keep", "0"], ["edit", "1", "--steps", "3"],
    ["shard", "1", "--shards", "2", "--to", "shards"],
  ]) func whatIsNotThereYetSaysSo(arguments: [String]) throws {
    let command = try Command()
    for place in ["option", "variable"] {
      let outcome =
        place == "option"
        ? try command.run(arguments + ["--database", Self.nowhere])
        : try command.run(arguments, environment: ["SEGMOE_DATABASE": Self.nowhere])
      #expect(outcome.code == 64, "\(outcome)")
      #expect(outcome.errors.contains("does not work on a queue of PostgreSQL yet"), "\(outcome)")
      #expect(!(outcome.output + outcome.errors).contains("s3cret"))
    }
    #expect(try FileManager.default.contentsOfDirectory(atPath: command.folder) == [])
  }

  /// A daemon needs its server, and a fetcher works on none yet.
  @Test(
    arguments: [
      (["--drain"], 69, "postgresql://ann@/nowhere/at/all/queue cannot be reached"),
      (["fetch"], 64, "does not work on a queue of PostgreSQL yet"),
      (["--fetch", "--drain"], 64, "does not work on a queue of PostgreSQL yet"),
    ] as [([String], Int32, String)])
  func daemonsSayWhatIsWrong(arguments: [String], code: Int32, words: String) throws {
    let folder = try TemporaryFolder()
    let outcome = try Outcome(
      of: "segmoed", arguments, in: folder.path,
      environment: ["SEGMOE_DATABASE": Self.nowhere, "HOME": folder.path, "PATH": "/usr/bin:/bin"])
    #expect(outcome.code == code, "\(outcome)")
    #expect(outcome.errors.contains(words), "\(outcome)")
    #expect(!(outcome.output + outcome.errors).contains("s3cret"))
    #expect(folder.names == [])
  }

  @Test(arguments: [[], ["--json"]])
  func aConfigurationIsShownWithoutThePassword(arguments: [String]) throws {
    let folder = try TemporaryFolder()
    let file = try folder.write("config.yaml", "database: '\(Self.nowhere)'\n")
    let outcome = try Outcome(
      of: "segmoed", ["check-config", file] + arguments, in: folder.path,
      environment: ["HOME": folder.path, "PATH": "/usr/bin:/bin"])
    #expect(outcome.code == 0, "\(outcome)")
    #expect(outcome.output.contains("postgresql://ann@/nowhere/at/all/queue"))
    #expect(!(outcome.output + outcome.errors).contains("s3cret"))
  }

  @Test(arguments: [
    ["status"], ["list"], ["show", "1"], ["cancel", "1"], ["enqueue", "p", "--model", "m"], ["watch"],
    ["models"],
    ["stats"], ["rerun", "1"], ["sheet", "1", "--output", "s.png"],
    ["xy", "p", "--x", "steps=1,2", "--output", "s.png"],
    ["enqueue", "p", "--model", "m", "--wait"],
  ])
  func aServerThatIsNotThereIsNamed(arguments: [String]) throws {
    let command = try Command()
    let outcome = try command.run(arguments + ["--database", Self.nowhere])
    expectComplaint(outcome, code: 69, "postgresql://ann@/nowhere/at/all/queue cannot be reached")
    #expect(!outcome.errors.contains("s3cret"))
    expectComplaint(
      try command.run(arguments + ["--database", "postgresql://db/q?nosuch=1"]), code: 64, "nosuch")
    #expect(try FileManager.default.contentsOfDirectory(atPath: command.folder) == [])
  }

  @Test(.enabled(if: PostgresServer.isInstalled, Comment(rawValue: PostgresServer.absence)))
  func aQueueOnAServer() throws {
    let command = try Command()
    let address = try PostgresServer.shared().newDatabase()
    func run(_ arguments: String...) throws -> Outcome {
      try command.run(arguments, environment: ["SEGMOE_DATABASE": address])
    }
    expectComplaint(try run("status"), code: 66, "there is no queue")
    let made = try run("enqueue", "a cat", "a dog", "--model", "demo", "--name", "nightly", "--json")
    #expect(made.errors.contains("started a new queue"))
    #expect(try made.object()["batch"] as? Int == 1)
    #expect(try run("enqueue", "later", "--model", "demo", "--after", "nightly").code == 0)
    #expect(try run("cancel", "2").output.hasPrefix("1 cancelled"))
    #expect(try run("list", "--json", "--state", "cancelled").list().map { $0["id"] as? Int } == [2])
    let status = try run("status", "--json").object()
    #expect(status["queued"] as? Int == 2 && status["cancelled"] as? Int == 1)
    #expect(try run("show", "3").output.contains("waiting for         batch nightly"))
    #expect(try run("reorder", "1", "--priority", "-3").code == 0)
    #expect(try run("pause", "--batch", "nightly").code == 0)
    #expect(try run("list").output.contains("held"))
    #expect(try run("resume", "--batch", "nightly").code == 0)
    #expect(try run("retry", "--batch", "nightly").output.hasPrefix("1 queued"))
    expectComplaint(try run("show", "9"), code: 65, "there is no job 9")
    expectComplaint(
      try run("enqueue", "p", "--model", "owner/name"), code: 64, "a model of a hub")
    #expect(try FileManager.default.contentsOfDirectory(atPath: command.folder) == [])
  }
}
