import Foundation
import JobStore
import TestSupport
import Testing

/// `enqueue --after` and `--name-pattern`, and who says what is waited for.
@Suite struct AfterCommandTests {
  @Test func everybodySaysWhatIsWaitedFor() throws {
    let command = try Command()
    _ = try command("enqueue", "a", "--model", "m", "--name", "evening")
    let answer = try command("enqueue", "b", "--model", "m", "--name", "night", "--after", "even")
    #expect(answer.output == "batch 2: job 2 queued; waiting for batch evening\n")
    let line = "batch 2 (night): waiting for batch evening"
    #expect(try command("status").output.contains(line + "\n"))
    #expect(try command("show", "2").output.contains("batch evening\n"))
    #expect(try command("list").output.contains("waiting for batch evening"))
    let job = try #require(try command("list", "--batch", "night", "--json").list().first)
    #expect(job["waiting_for"] as? String == "batch evening" && job["held"] as? Bool == true)
    let batches = try #require(try command("status", "--json").object()["batches"] as? [[String: Any]])
    #expect(batches.map { $0["waiting_for"] as? String } == [nil, "batch evening"])
    #expect(batches.map { $0["after"] as? Int } == [nil, 1])

    // Until the other is over.
    let session = try command.daemon()
    for arguments in [["watch", "--batch", "2"], ["watch"], ["watch", "2"]] {
      let output = Pipe()
      let process = try command.start(arguments, output: output.fileHandleForWriting, errors: Pipe())
      try output.fileHandleForWriting.close()
      var seen = Data()
      while !seen.contains(Data(line.utf8)) {
        let more = output.fileHandleForReading.availableData
        try #require(!more.isEmpty, "\(arguments) ended: \(String(decoding: seen, as: UTF8.self))")
        seen += more
      }
      kill(process.processIdentifier, SIGKILL)
      process.waitUntilExit()
    }
    try command.render(session)
    #expect(!(try command("status").output.contains("waiting for")))
    #expect(try session.claim()?.job.id == 2)
  }

  @Test func aBatchThatIsNotThereIsNoReason() throws {
    let command = try Command()
    expectComplaint(
      try command("enqueue", "a", "--model", "m", "--after", "evening", "--dry-run"), code: 65,
      "no batch evening")
    _ = try command("enqueue", "a", "--model", "m", "--name", "evening")
    for more in [[], ["--dry-run"]] {
      expectComplaint(
        try command.run(["enqueue", "b", "--model", "m", "--after", "morning"] + more), code: 65,
        "no batch morning")
    }
    #expect(try command.client().list().count == 1)
    #expect(try command("enqueue", "b", "--model", "m", "--after", "1", "--dry-run").code == 0)
  }

  /// A batch in one class of numerics, of which no daemon is any more.
  @Test func aClassThatNobodyHasIsNamed() throws {
    let command = try Command()
    _ = try command("enqueue", "a", "b", "--model", "m", "--name", "n", "--same-numerics")
    let session = try command.daemon(numerics: "1/x/y")
    try session.giveBack(try #require(try session.claim()).lease)
    let line = "batch 1 (n): waiting for a daemon of 1/x/y\n"
    #expect(!(try command("status").output.contains(line)))
    try session.signOff()
    #expect(try command("status").output.contains(line))
    #expect(try command("retry", "--batch", "n", "--dry-run").output == "2 would be queued again\n")
    #expect(try command("retry", "--batch", "n").output == "2 queued again\n")
    #expect(!(try command("status").output.contains(line)))
    #expect(try command.daemon(numerics: "2/x/y").claim()?.job.id == 1)
  }

  @Test func namesByAPattern() throws {
    let command = try Command()
    _ = try command("enqueue", "a", "--model", "m", "--name-pattern", "{batch}/{job}-{seed}")
    #expect(try command.client().details(job: 1).job.namePattern == "{batch}/{job}-{seed}")
    #expect(try command("show", "1").output.contains("{batch}/{job}-{seed}"))
    #expect(try command("show", "1", "--json").object()["name_pattern"] as? String == "{batch}/{job}-{seed}")
    for more in [[], ["--dry-run"]] {
      expectComplaint(
        try command.run(["enqueue", "a", "--model", "m", "--name-pattern", "{sede}"] + more), code: 64,
        "name pattern is '{sede}'", "did you mean 'seed'?")
    }
  }
}
