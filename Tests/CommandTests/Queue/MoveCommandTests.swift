import Foundation
import JobStore
import TestSupport
import Testing

/// `segmoectl move`, the program.
@Suite struct MoveCommandTests {
  @Test func aFileGoesIntoAnother() throws {
    let command = try Command()
    #expect(try command("enqueue", "a", "b", "--model", "m", "--name", "n").code == 0)
    #expect(try command("pause").code == 0)
    let arguments = ["move", "--from", "queue.sqlite", "--to", "other/new.sqlite"]
    let seen = try command.run(arguments + ["--dry-run"])
    #expect(seen.code == 0 && seen.errors == "")
    let place = command.folder + "/other/new.sqlite"
    #expect(
      seen.output == """
        2 jobs would move to \(place): 2 queued, 0 left running, 0 done, 0 failed, 0 cancelled
        rows: batches 1, events 2
        the queue is paused, there too

        """)
    #expect(!FileManager.default.fileExists(atPath: command.folder + "/other"))
    let moved = try command.run(arguments)
    #expect(moved.code == 0 && moved.output.hasPrefix("2 jobs moved to \(place): 2 queued"), "\(moved)")
    for arguments in [["list"], ["enqueue", "c", "--model", "m"], ["resume"], ["status"]] {
      expectComplaint(
        try command.run(arguments), code: 69, "was moved to \(place): name that with --database")
    }
    let daemon = try BuiltProgram.run("segmoed", ["--database", command.database, "--drain"])
    #expect(daemon.code == 65 && daemon.errors.contains("was moved to \(place)"), "\(daemon)")
    #expect(try command("list", "--database", place, "--json").list().count == 2)
    expectComplaint(try command.run(arguments), code: 69, "was moved to \(place)")
  }

  @Test func whatIsRefusedHasItsExitCode() throws {
    let command = try Command()
    expectComplaint(
      try command("move", "--from", "no.sqlite", "--to", "b.sqlite"), code: 66, "there is no queue")
    #expect(try command("enqueue", "a", "--model", "m").code == 0)
    #expect(try command("enqueue", "b", "--model", "m", "--database", "b.sqlite").code == 0)
    expectComplaint(
      try command("move", "--from", "queue.sqlite", "--to", "./queue.sqlite"), code: 64, "the same queue")
    expectComplaint(
      try command("move", "--from", "queue.sqlite", "--to", "b.sqlite"), code: 65, "jobs are in it (1)")
    expectComplaint(
      try command(
        "move", "--from", "queue.sqlite", "--to", "postgresql://ann:s3cret@/queue?host=/nowhere/at/all"),
      code: 69, "postgresql://ann@/nowhere/at/all/queue cannot be reached")
    let worker = try command.daemon()
    expectComplaint(
      try command("move", "--from", "queue.sqlite", "--to", "c.sqlite"), code: 69,
      "daemon w (process 1 on h) works on it: stop it first")
    try worker.signOff()
    #expect(try command("status", "--json").object()["queued"] as? Int == 1)
    #expect(!FileManager.default.fileExists(atPath: command.folder + "/c.sqlite"))
  }

  /// A target that has begun to take the jobs loses them with the client.
  @Test(.enabled(if: PostgresServer.isInstalled, Comment(rawValue: PostgresServer.absence)))
  func aKilledMoveLeavesBothAsTheyWere() throws {
    let command = try Command()
    #expect(try command("enqueue", "a", "b", "--model", "m").code == 0)
    let address = try PostgresServer.shared().newDatabase()
    // An empty queue on the server, which takes for ever to take a job.
    #expect(try command("enqueue", "x", "--model", "m", "--database", address).code == 0)
    try PostgresServer.sql(
      at: address,
      """
      DELETE FROM due; DELETE FROM jobs; DELETE FROM batches;
      CREATE FUNCTION stall() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN PERFORM pg_sleep(3600); RETURN NEW; END $$;
      CREATE TRIGGER stall BEFORE INSERT ON due FOR EACH ROW EXECUTE FUNCTION stall()
      """)
    let arguments = ["move", "--from", command.database, "--to", address]
    let process = try command.start(arguments, output: FileHandle.nullDevice, errors: Pipe())
    let stalled = "FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'"
    while try PostgresServer.sql(at: address, "SELECT count(*) \(stalled)") != ["1"] {
      try #require(process.isRunning)
      usleep(10_000)
    }
    kill(process.processIdentifier, SIGKILL)
    process.waitUntilExit()
    // The server would notice an hour later.
    try PostgresServer.sql(at: address, "SELECT pg_terminate_backend(pid) \(stalled)")
    // Who reads this waits until its transaction is over.
    #expect(
      try PostgresServer.sql(
        at: address,
        "SELECT moved_to IS NULL, (SELECT count(*) FROM jobs) + (SELECT count(*) FROM batches) FROM queue")
        == ["t|0"])
    #expect(try command("enqueue", "c", "--model", "m").code == 0)
    #expect(try command("status", "--json").object()["queued"] as? Int == 3)

    try PostgresServer.sql(at: address, "DROP TRIGGER stall ON due")
    let moved = try command.run(arguments + ["--json"])
    #expect(moved.code == 0, "\(moved)")
    #expect((try moved.object()["jobs"] as? [String: Any])?["queued"] as? Int == 3)
    #expect(
      try command("list", "--json", "--database", address).list().map { $0["id"] as? Int } == [1, 2, 3])
    expectComplaint(try command("list"), code: 69, "was moved to postgresql://")
  }
}
