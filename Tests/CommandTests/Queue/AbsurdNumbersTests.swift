import Foundation
import GRDB
import JobStore
import Requests
import Testing

/// Numbers that no program writes, in arguments and in rows: named by an error or shown as they are, and never the end
/// of the client by a signal.
@Suite struct AbsurdNumbersTests {
  private static let largest = "9223372036854775807"

  @Test(arguments: [
    "UPDATE batches SET queued = N", "UPDATE batches SET queued = N, running = N, done = N",
    "UPDATE batches SET queued = -N, running = -N", "UPDATE queue SET queued = N, running = N, failed = N",
    "UPDATE jobs SET steps = N, count = 1000", "UPDATE jobs SET steps = -N, count = N",
    "UPDATE jobs SET stall_ms = N, peak_bytes = N, bytes_read = -N",
    "UPDATE jobs SET seed = -N, count = N, width = N",
    "UPDATE jobs SET run_after = N, started_at = -N, finished_at = N",
    "UPDATE jobs SET attempts = N, losses = -N",
    "UPDATE images SET seconds = 9e999", "UPDATE images SET seconds = -1e300, width = N, bytes = -N",
    "UPDATE progress SET step = N, steps = N, seconds_per_step = 9e999, expected_end = -N",
    "UPDATE progress SET step = -N, seconds_per_step = -1e300, expected_end = N",
    "UPDATE workers SET heartbeat_at = -N, started_at = N, pid = N", "UPDATE events SET at = N",
    "UPDATE events SET at = -N",
  ])
  func inRows(change: String) throws {
    let command = try Command()
    _ = try command("enqueue", "a", "b", "c", "--model", "m", "--count", "2", "--steps", "4")
    let session = try command.daemon()
    try command.render(session)
    let lease = try #require(try session.claim()).lease
    try session.report(
      ImageProgress(index: 0, phase: .denoising, step: 1, steps: 4, secondsPerStep: 1), lease)
    try DatabaseQueue(path: command.database).writeWithoutTransaction { db in
      try db.execute(sql: "PRAGMA ignore_check_constraints = ON")
      // Some are refused by the schema all the same, which is as well.
      try? db.execute(sql: change.replacing("N", with: Self.largest))
    }
    for arguments in [
      ["list"], ["list", "--json"], ["show", "1"], ["show", "2"], ["show", "2", "--json"], ["status"],
      ["status", "--json"], ["stats"], ["stats", "--json"], ["models"],
      ["purge", "--keep", "0", "--dry-run"],
      ["cancel", "--batch", "1"], ["retry", "--batch", "1"],
    ] {
      // That it ended by itself is expected within.
      let outcome = try command.run(arguments)
      // A daemon that is gone, as its row then says, is an exit code of `status`, without an error.
      let isGone =
        change.contains("workers") && arguments[0] == "status" && outcome.code == 69
        && !outcome.output.isEmpty
      #expect(
        outcome.code == 0 || isGone || outcome.errors.hasPrefix("segmoectl: "), "\(arguments): \(outcome)")
    }
  }

  @Test func sumsStopAtTheLargestNumber() {
    var counts = StateCounts()
    (counts.queued, counts.running, counts.done) = (.max, 1, .max)
    #expect(counts.total == .max && counts.open == .max)
    (counts.queued, counts.running, counts.done) = (.min, -1, 0)
    #expect(counts.total == .min && counts.open == .min)
    #expect([1, 2, 3].boundedSum == 6)
  }

  @Test(arguments: [
    largest, "-" + largest, "9223372036854775808", "99999999999999999999", "1e400", "-1e308", "nan", "inf",
  ])
  func inArguments(number: String) throws {
    let command = try Command()
    _ = try command("enqueue", "a", "--model", "m")
    for option in [
      "--priority", "--max-attempts", "--steps", "--seed", "--count", "--width", "--height", "--guidance",
      "--strength",
      "--clip-skip", "--memory-budget", "--run-after",
    ] {
      let outcome = try command("enqueue", "x", "--model", "m", "\(option)=\(number)")
      #expect(outcome.code == 0 || outcome.errors.hasPrefix("segmoectl: "), "\(option): \(outcome)")
    }
    for arguments in [
      ["list", "--limit=\(number)"], ["list", "--batch=\(number)"], ["show", "--", number],
      ["cancel", "--", number],
      ["reorder", "1", "--priority=\(number)"], ["purge", "--keep=\(number)", "--dry-run"],
      ["purge", "--older-than=\(number)d", "--dry-run"],
      ["enqueue", "x", "--model", "m", "--run-after=\(number)d"],
      ["enqueue", "x", "--model", "m", "--crop=\(number),\(number)"],
      ["enqueue", "x", "--model", "m", "--original-size=\(number)x\(number)"],
    ] {
      let outcome = try command.run(arguments)
      #expect(outcome.code == 0 || outcome.errors.hasPrefix("segmoectl: "), "\(arguments): \(outcome)")
    }
    let line = Data(#"{"prompt": "x", "seed": \#(number), "steps": \#(number), "guidance": \#(number)}"#.utf8)
    let outcome = try command("enqueue", "--file", "-", "--model", "m", input: line)
    #expect(outcome.code == 0 || outcome.errors.hasPrefix("segmoectl: "), "\(outcome)")
  }
}
