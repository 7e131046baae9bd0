import Foundation
import JobStore
import TestSupport
import Testing

/// `--notify`: what the person's command is told, and that nothing depends on it.
@Suite struct NotifyTests {
  /// A command that writes what it is told into a file.
  private static let note = """
    echo "$SEGMOECTL_BATCH $SEGMOECTL_NAME $SEGMOECTL_DONE $SEGMOECTL_FAILED $SEGMOECTL_CANCELLED" \
    "$SEGMOECTL_PICTURE $SEGMOECTL_EXIT" >note; cat >>note; echo said
    """

  private func note(_ command: Command) throws -> String {
    try String(contentsOfFile: command.folder + "/note", encoding: .utf8)
  }

  /// Runs segmoectl while somebody renders what is queued: all but jobs of the prompt "bad".
  private func run(_ command: Command, _ arguments: [String], jobs: Int) throws -> Outcome {
    let session = try command.daemon(beats: true)
    let (output, errors) = (Pipe(), Pipe())
    let process = try command.start(arguments, output: output.fileHandleForWriting, errors: errors)
    try output.fileHandleForWriting.close()
    let complaint = GatheredOutput(errors)
    var ended = 0
    while ended < jobs {
      guard let claimed = try session.claim() else {
        try #require(process.isRunning || ended == jobs)
        Thread.sleep(forTimeInterval: 0.01)
        continue
      }
      ended += 1
      if claimed.request.render.prompt == "bad" {
        try session.fail(claimed.lease, message: "no", kind: .badInput)
      } else {
        let id = claimed.job.id
        let picture = ImageRecord(
          index: 0, path: "/out/\(id).png", seed: 0, width: 8, height: 8,
          digest: String(repeating: "a", count: 64), bytes: 1, seconds: 1)
        try session.finish(claimed.lease, images: [picture], statistics: RenderStatistics())
      }
    }
    let text = output.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    return Outcome(
      code: process.terminationStatus, output: String(decoding: text, as: UTF8.self), errors: complaint.text()
    )
  }

  private struct Outcome {
    let code: Int32
    let output: String
    let errors: String
  }

  @Test func itIsToldHowTheBatchEnded() throws {
    let command = try Command()
    let outcome = try run(
      command,
      [
        "enqueue", "a", "bad", "c", "--model", "m", "--name", "night", "--json", "--wait", "--notify",
        Self.note,
      ],
      jobs: 3)
    #expect(outcome.code == 65, "\(outcome)")
    #expect(try note(command) == "1 night 2 1 0 /out/1.png 65\n/out/1.png\n/out/3.png\n")
    // What it prints is none of the answer.
    #expect(outcome.output.split(separator: "\n").count == 2 && !outcome.output.contains("said"))
    #expect(outcome.errors.contains("said\n"))
  }

  @Test func watchRunsItToo() throws {
    let command = try Command()
    _ = try command("enqueue", "a", "b", "--model", "m")
    #expect(try run(command, ["watch", "2", "--notify", Self.note], jobs: 2).code == 0)
    #expect(try note(command) == "  1 0 0 /out/2.png 0\n/out/2.png\n")
    // The whole queue has too long a history to list its pictures.
    #expect(try command("watch", "--notify", Self.note).code == 0)
    #expect(try note(command) == "  2 0 0  0\n")
  }

  /// Programs refuse variables that look like their settings and are none.
  @Test func itMayStartOurPrograms() throws {
    let command = try Command()
    let (client, daemon) = (try Places.program("segmoectl"), try Places.program("segmoed"))
    let text =
      "\(client) list --json >jobs && \(daemon) --output out --drain --log-level error && echo ok >note"
    let outcome = try run(command, ["enqueue", "a", "--model", "m", "--wait", "--notify", text], jobs: 1)
    #expect(outcome.code == 0 && outcome.errors == "", "\(outcome)")
    #expect(try note(command) == "ok\n")
    #expect(try String(contentsOfFile: command.folder + "/jobs", encoding: .utf8).contains("/out/1.png"))
  }

  @Test(arguments: [("exit 3", "exit code 3"), ("kill -9 $$", "signal 9"), ("nonsense-x", "exit code 127")])
  func itsFailureIsSaidAndChangesNothing(text: String, words: String) throws {
    let command = try Command()
    let outcome = try run(command, ["enqueue", "a", "--model", "m", "--wait", "--notify", text], jobs: 1)
    #expect(outcome.code == 0 && outcome.errors.contains(words), "\(outcome)")
  }

  @Test func withoutAWaitThereIsNothingToNotifyOf() throws {
    let command = try Command()
    expectComplaint(
      try command("enqueue", "a", "--model", "m", "--notify", "true"), code: 64, "--notify", "add --wait")
  }
}
