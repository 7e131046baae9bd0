import Foundation
import JobStore
import Testing

/// Only who enqueues, and the daemon, make a queue: its file belongs to whoever makes it.
@Suite struct MissingQueueTests {
  static let looks = [
    ["status"], ["list"], ["show", "1"], ["watch"], ["models"], ["stats"], ["cancel", "1"], ["retry", "1"],
    ["pause"],
    ["resume"], ["reorder", "1", "--priority", "2"], ["purge", "--keep", "0"],
    ["purge", "--keep", "0", "--dry-run"],
    ["cancel", "1", "--dry-run"], ["list", "--json"],
  ]

  @Test(arguments: looks) func isNotMadeByALook(arguments: [String]) throws {
    let command = try Command()
    let path = command.folder + "/deep/er/queue.sqlite"
    expectComplaint(
      try command.run(arguments + ["--database", path]), code: 66, path, "there is no queue", "enqueue")
    #expect(try FileManager.default.contentsOfDirectory(atPath: command.folder).isEmpty)
  }

  /// Nor is an empty file made one, as somebody leaves it who is killed at the first enqueue.
  @Test(arguments: [["status"], ["cancel", "1"]]) func anEmptyFileIsNone(arguments: [String]) throws {
    let command = try Command()
    try command.file("queue.sqlite", Data())
    expectComplaint(try command.run(arguments), code: 66, "there is no queue")
    #expect(try Data(contentsOf: URL(fileURLWithPath: command.database)).isEmpty)
    #expect(try command("enqueue", "p", "--model", "m").code == 0)
    #expect(try command("status").code == 0)
  }

  @Test func whoStartsOneIsTold() throws {
    let command = try Command()
    let first = try command("enqueue", "p", "--model", "m")
    #expect(first.errors.contains("started a new queue, \(command.database)"))
    #expect(first.errors.contains("no segmoed works on \(command.database)"))
    let second = try command("enqueue", "p", "--model", "m", "--json")
    #expect(!second.errors.contains("new queue") && second.errors.contains("no segmoed"))
    #expect(try second.object()["batch"] as? Int == 2)
    _ = try command.daemon()
    #expect(try command("enqueue", "p", "--model", "m").errors == "")
  }
}
