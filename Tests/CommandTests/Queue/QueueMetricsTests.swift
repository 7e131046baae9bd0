import Foundation
import GRDB
import JobStore
import TestSupport
import Testing

/// `segmoectl status --prometheus`: what a queue is like, told once, whoever works on it.
@Suite struct QueueMetricsTests {
  private func lines(_ outcome: Outcome) -> [String] {
    #expect(outcome.code == 0 && outcome.errors == "", "\(outcome)")
    return outcome.output.split(separator: "\n").map(String.init)
  }

  @Test func aQueueInAFile() throws {
    let command = try Command()
    #expect(try command("enqueue", "a", "b", "c", "--model", "m").code == 0)
    let daemon = try command.daemon()
    _ = try #require(try daemon.claim())
    try daemon.heartbeat()
    let found = lines(try command("status", "--prometheus"))
    for line in [
      "# TYPE segmoe_queue_jobs gauge", "segmoe_queue_jobs{state=\"queued\"} 2",
      "segmoe_queue_jobs{state=\"running\"} 1", "segmoe_queue_jobs{state=\"done\"} 0",
      "segmoe_queue_due_jobs 2", "segmoe_queue_open_batches 1", "segmoe_queue_paused 0",
      "segmoe_queue_workers{state=\"rendering\"} 1", "segmoe_queue_workers{state=\"idle\"} 0",
    ] {
      #expect(found.contains(line), "\(line) is not in \(found)")
    }
    // Every line is a comment or a number with a name.
    for line in found {
      #expect(
        line.hasPrefix("# ")
          || line.wholeMatch(of: /segmoe_queue_[a-z_]+(\{state="[a-z]+"\})? [0-9.e+-]+/) != nil,
        "\(line)")
    }
    #expect(try command("pause").code == 0)
    let paused = lines(try command("status", "--prometheus"))
    for line in ["segmoe_queue_paused 1", "segmoe_queue_due_jobs 0", "segmoe_queue_oldest_due_seconds 0"] {
      #expect(paused.contains(line), "\(line) is not in \(paused)")
    }
  }

  /// A clock that was set back since must not make an age of less than nothing.
  @Test(arguments: [(-90_000, 90.0), (3_600_000, 0)] as [(Int64, Double)])
  func theOldestJobHasAnAge(shift: Int64, least: Double) throws {
    let command = try Command()
    #expect(try command("enqueue", "a", "--model", "m").code == 0)
    try DatabaseQueue(path: command.database).write {
      try $0.execute(sql: "UPDATE jobs SET created_at = created_at + \(shift)")
    }
    let line = try #require(
      lines(try command("status", "--prometheus")).first { $0.hasPrefix("segmoe_queue_oldest_due_seconds") })
    let age = try #require(Double(line.split(separator: " ")[1]))
    #expect(least == 0 ? age == 0 : age >= least, "\(line)")
  }

  @Test(arguments: [["--json"], ["--format", "{queued}"]])
  func itHasAFormOfItsOwn(others: [String]) throws {
    let command = try Command()
    expectComplaint(
      try command.run(["status", "--prometheus"] + others), code: 64, "--prometheus has a form of its own")
  }

  @Test(.enabled(if: PostgresServer.isInstalled, Comment(rawValue: PostgresServer.absence)))
  func aQueueOnAServer() throws {
    let command = try Command()
    let address = try PostgresServer.shared().newDatabase()
    func run(_ arguments: String...) throws -> Outcome {
      try command.run(arguments, environment: ["SEGMOE_DATABASE": address])
    }
    #expect(try run("enqueue", "a", "b", "--model", "m").code == 0)
    #expect(try run("cancel", "1").code == 0)
    let found = lines(try run("status", "--prometheus"))
    for line in [
      "segmoe_queue_jobs{state=\"queued\"} 1", "segmoe_queue_jobs{state=\"cancelled\"} 1",
      "segmoe_queue_due_jobs 1", "segmoe_queue_open_batches 1", "segmoe_queue_workers{state=\"idle\"} 0",
    ] {
      #expect(found.contains(line), "\(line) is not in \(found)")
    }
  }
}
