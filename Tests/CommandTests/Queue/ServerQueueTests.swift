import Foundation
import TestSupport
import Testing

/// `--database postgresql://…`: what works there, and what says plainly that it does not.
@Suite struct ServerQueueTests {
  private static let nowhere = "postgresql://ann:s3cret@/queue?host=/nowhere/at/all"

  /// A daemon and a fetcher need their server.
  @Test(
    arguments: [
      (["--drain"], 69, "postgresql://ann@/nowhere/at/all/queue cannot be reached"),
      (["fetch"], 69, "postgresql://ann@/nowhere/at/all/queue cannot be reached"),
      (["--fetch", "--drain"], 69, "postgresql://ann@/nowhere/at/all/queue cannot be reached"),
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
    ["edit", "1", "--steps", "3"], ["purge", "--keep", "0"],
    ["shard", "1", "--shards", "2", "--to", "shards"], ["collect", "shards", "--output", "out"],
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

  /// libpq's words have colons; what mends it is behind them.
  @Test func theDoctorSaysWhyThereIsNoWayIn() throws {
    let outcome = try Command().run(["doctor", "--json", "--database", Self.nowhere])
    let findings = try #require(try outcome.object()["findings"] as? [[String: Any]])
    let database = try #require(findings.first { $0["subject"] as? String == "database" })
    #expect((database["finding"] as? String)?.contains("No such file or directory") == true, "\(outcome)")
    #expect((database["mend"] as? String)?.hasPrefix("check that PostgreSQL runs") == true, "\(outcome)")
  }

  /// It may have a password, and would be a file's name.
  @Test(arguments: [
    "POSTGRESQL://ann:s3cret@db/queue", "dbname=queue password=s3cret", "postgresql://ann:x/s3cret@db/queue",
    "jdbc:postgresql://db/queue?password=s3cret",
  ])
  func anAddressThatIsWrittenWronglyIsNoFile(address: String) throws {
    let command = try Command()
    for arguments in [["status"], ["enqueue", "p", "--model", "m"], ["list"]] {
      let outcome = try command.run(arguments + ["--database", address])
      expectComplaint(outcome, code: 64, "postgresql://USER@HOST")
      #expect(!(outcome.output + outcome.errors).contains("s3cret"), "\(outcome)")
    }
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
    #expect(try run("edit", "1", "--steps", "7", "--dry-run").output.hasPrefix("job 1 would change: steps"))
    #expect(try run("edit", "1", "--steps", "7", "--prompt", "an owl").code == 0)
    #expect(try run("show", "1").output.contains("an owl"))
    expectComplaint(try run("show", "9"), code: 65, "there is no job 9")
    #expect(try run("edit", "1", "--model", "owner/name").errors.contains("waiting for owner/name"))
    let card = try run("enqueue", "p", "--model", "owner/card")
    #expect(card.code == 0 && card.errors.contains("waiting for owner/card, and no fetcher runs"), "\(card)")
    #expect(try run("list").output.contains("waiting for owner/name, no fetcher runs"))
    #expect(try run("status", "--json").object()["fetchers"] as? [String] == [])
    #expect(try FileManager.default.contentsOfDirectory(atPath: command.folder) == [])
  }

  /// As a service has it: systemd and Kubernetes give it a copy that its group may read, which is too much for a pass file.
  @Test(.enabled(if: PostgresServer.isInstalled, Comment(rawValue: PostgresServer.absence)))
  func aServiceFileSaysTheWayIn() throws {
    let command = try Command()
    let address = try PostgresServer.shared().newDatabase()
    let parts = try #require(URLComponents(string: address))
    let lines = try #require(parts.queryItems).map { "\($0.name)=\($0.value ?? "")\n" }.joined()
    try command.file("pg_service.conf", Data("[segmoe]\npassword=s3cret\n\(lines)".utf8))
    let file = command.folder + "/pg_service.conf"
    try FileManager.default.setAttributes([.posixPermissions: 0o440], ofItemAtPath: file)
    func run(_ arguments: String..., service: String) throws -> Outcome {
      try command.run(
        arguments,
        environment: [
          "SEGMOE_DATABASE": "postgresql://\(parts.path)", "PGSERVICE": service, "PGSERVICEFILE": file,
        ])
    }
    let made = try run("enqueue", "a cat", "--model", "demo", service: "segmoe")
    #expect(made.code == 0, "\(made)")
    let status = try run("status", "--json", service: "segmoe")
    #expect(try status.object()["queued"] as? Int == 1)
    #expect(!(made.output + made.errors + status.output).contains("s3cret"))
    expectComplaint(try run("status", service: "other"), code: 69, "other")
  }

  @Test(.enabled(if: PostgresServer.isInstalled, Comment(rawValue: PostgresServer.absence)))
  func aPurgeOnAServer() throws {
    let command = try Command()
    let address = try PostgresServer.shared().newDatabase()
    func run(_ arguments: String...) throws -> Outcome {
      try command.run(arguments, environment: ["SEGMOE_DATABASE": address])
    }
    #expect(try run("enqueue", "a", "b", "c", "--model", "demo").code == 0)
    #expect(try run("cancel", "1").code == 0)
    #expect(try run("cancel", "2").code == 0)
    // Finished pictures of jobs that were cancelled.
    try command.file("1.png", Data("x".utf8))
    try command.file("other.txt", Data("x".utf8))
    for (job, name) in [(1, "1.png"), (2, "other.txt")] {
      try PostgresServer.sql(
        at: address,
        """
        INSERT INTO images VALUES
          (\(job), 0, '\(command.folder)/\(name)', 1, 8, 8, repeat('a', 64), 1, 1.0)
        """)
    }
    let options = ["purge", "--state", "cancelled", "--files", command.folder]
    func purge(_ more: String...) throws -> Outcome {
      try command.run(options + more, environment: ["SEGMOE_DATABASE": address])
    }
    #expect(try purge("--older-than", "1h").output.hasSuffix("0 jobs and 0 pictures are gone\n"))
    #expect(try purge("--keep", "1", "--dry-run").output.hasSuffix("1 jobs and 1 pictures would go\n"))
    #expect(try purge("--max-bytes", "2B", "--dry-run").output.hasSuffix("0 jobs and 0 pictures would go\n"))
    let purged = try purge("--keep", "0", "--json").object()
    #expect(purged["jobs"] as? Int == 2 && purged["files"] as? Int == 1)
    #expect(try FileManager.default.contentsOfDirectory(atPath: command.folder) == ["other.txt"])
    #expect(try run("list", "--json").list().map { $0["id"] as? Int } == [3])
    #expect(try run("purge", "--keep", "0", "--state", "queued").code == 64)
  }
}
