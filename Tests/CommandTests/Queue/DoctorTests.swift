import Foundation
import GRDB
import Glibc
import JobStore
import Requests
import Testing

/// `segmoectl doctor`: each fault is found, and named with what mends it.
@Suite struct DoctorTests {
  private func findings(_ command: Command, by wrapper: [String] = []) throws -> (
    code: Int32, findings: [[String: Any]]
  ) {
    let outcome = try command.run(["doctor", "--json"], by: wrapper)
    #expect(outcome.errors == "")
    // What is installed on this machine is not this queue's.
    let all = try #require(try outcome.object()["findings"] as? [[String: Any]])
    return (outcome.code, all.filter { $0["subject"] as? String != "service" })
  }

  private func expect(
    _ state: String, _ subject: String, _ part: String, mend: String, in found: [[String: Any]],
    location: SourceLocation = #_sourceLocation
  ) {
    let line = found.first {
      $0["state"] as? String == state && $0["subject"] as? String == subject
        && ($0["finding"] as? String)?.contains(part) == true
    }
    #expect(line != nil, "\(found)", sourceLocation: location)
    #expect((line?["mend"] as? String)?.contains(mend) == true, "\(line ?? [:])", sourceLocation: location)
  }

  @Test func aHealthyQueueHasNoFaults() throws {
    let command = try Command()
    let session = try command.daemon(beats: true)
    _ = try command("enqueue", "p", "--model", "m")
    let (_, found) = try findings(command)
    #expect(!found.contains { $0["state"] as? String == "bad" }, "\(found)")
    #expect(found.contains { ($0["finding"] as? String)?.contains("segmoed w on h is idle") == true })
    #expect(
      found.contains {
        $0["subject"] as? String == "log"
          && ($0["finding"] as? String)?.contains("delete queue.sqlite-wal and queue.sqlite-shm") == true
      })
    #expect(found.contains { $0["subject"] as? String == "processor" })
    #expect(found.contains { $0["subject"] as? String == "disk" })
    let text = try command("doctor").output
    #expect(text.hasPrefix("ok    queue       \(command.database) (named by $SEGMOE_DATABASE)\n"), "\(text)")
    #expect(session.name == "w")
  }

  @Test func aMissingQueueIsNoFaultUnlessItsLogIsThere() throws {
    let command = try Command()
    let found = try findings(command).findings
    expect("warn", "queue", "not there yet", mend: "segmoectl enqueue", in: found)
    #expect(!FileManager.default.fileExists(atPath: command.database))
    _ = try command("enqueue", "p", "--model", "m")
    let session = try command.daemon()
    try FileManager.default.moveItem(atPath: command.database, toPath: command.database + ".moved")
    let (code, moved) = try findings(command)
    #expect(code == 69)
    expect("bad", "queue", "its log", mend: "put the database back", in: moved)
    #expect(session.name == "w")
  }

  @Test(arguments: ["text", "foreign", "newer", "journal", "damaged", "gone", "paused", "stopped", "lacks"])
  func faultsAreFound(kind: String) throws {
    let command = try Command()
    if kind != "text" && kind != "foreign" { _ = try command("enqueue", "p", "--model", "m") }
    let sql = { (statement: String) in
      try DatabaseQueue(path: command.database).writeWithoutTransaction { try $0.execute(sql: statement) }
    }
    switch kind {
    case "text":
      try command.file("queue.sqlite", Data(String(repeating: "no database ", count: 100).utf8))
      expect("bad", "database", "not an SQLite database", mend: "backup", in: try findings(command).findings)
    case "foreign":
      try sql("CREATE TABLE notes (text)")
      expect("bad", "database", "another program's", mend: "--database", in: try findings(command).findings)
    case "newer":
      try sql("PRAGMA user_version = 99")
      expect("bad", "database", "schema 99", mend: "upgrade", in: try findings(command).findings)
    case "journal":
      try sql("PRAGMA journal_mode = DELETE")
      expect(
        "warn", "database", "journal mode is delete", mend: "segmoed", in: try findings(command).findings)
    case "damaged":
      // The page of a table that nothing else looks at.
      let page = try #require(
        try DatabaseQueue(path: command.database).read {
          try UInt64.fetchOne($0, sql: "SELECT rootpage FROM sqlite_schema WHERE name = 'progress'")
        })
      let file = try FileHandle(forUpdating: URL(fileURLWithPath: command.database))
      try file.seek(toOffset: (page - 1) * 4096)
      try file.write(contentsOf: Data(repeating: 0xAB, count: 4096))
      try file.close()
      let (code, found) = try findings(command)
      #expect(code == 69)
      expect("bad", "damage", "SQLite finds", mend: "backup", in: found)
    case "gone":
      _ = try command.daemon()
      try sql("UPDATE workers SET heartbeat_at = 1, state = 'rendering'")
      let (code, found) = try findings(command)
      #expect(code == 69)
      expect("bad", "daemon", "segmoed w on h is gone", mend: "journalctl", in: found)
      #expect(try command("status").code == 69 && command("status").output.contains("segmoed w: gone"))
    case "stopped":
      try command.daemon().signOff()
      expect("warn", "daemon", "was stopped; 1 job waits", mend: "start", in: try findings(command).findings)
      #expect(try command("status").code == 0 && command("status").output.contains("segmoed w: stopped"))
    case "paused":
      _ = try command("pause")
      expect("warn", "queue", "paused", mend: "segmoectl resume", in: try findings(command).findings)
    default:
      let session = try command.daemon()
      let lease = try #require(try session.claim()).lease
      try session.lack("m", reason: "no such folder", lease)
      expect("warn", "model", "w lacks m: no such folder", mend: "models", in: try findings(command).findings)
    }
  }

  /// A log that somebody keeps from being copied back.
  @Test func aLargeLogIsNamed() throws {
    let command = try Command()
    let client = try command.client()
    let prompt = String(repeating: "p", count: 10_000)
    for _ in 0..<2 {
      _ = try client.enqueue(
        BatchRequest(),
        requests: (0..<1000).map { _ in JobRequest(RenderRequest(model: "m", prompt: prompt)) })
    }
    expect("warn", "log", "MiB: somebody reads", mend: "fuser", in: try findings(command).findings)
    #expect(try client.status().counts.queued == 2000)
  }

  @Test(.enabled(if: Rights.canBeTaken)) func wrongRightsAreNamed() throws {
    let command = try Command()
    _ = try command("enqueue", "p", "--model", "m")
    chown(command.folder, 0, 100)
    chmod(command.folder, 0o2775)
    chmod(command.database, 0o644)
    let (code, found) = try findings(command, by: Rights.nobody())
    #expect(code == 69)
    expect("bad", "rights", "group users", mend: "sudo chgrp users \(command.database)", in: found)
    chown(command.database, 0, 100)
    chmod(command.database, 0o660)
    expect(
      "bad", "rights", "nobody may not write", mend: "usermod -aG users",
      in: try findings(command, by: Rights.nobody()).findings)
    let members = try findings(command, by: Rights.nobody(group: 100))
    #expect(!members.findings.contains { $0["state"] as? String == "bad" }, "\(members)")
  }
}
