import GRDB
import JobStore
import Testing

/// The clock is set while something waits.
@Suite struct ClockStepTests {
  /// A week ahead, then right again: a retry, a hold and a run-after time last as long as they were to last.
  @Test(arguments: [-604_800.0, -3_600, -90]) func pausesDoNotLastLonger(step: Double) throws {
    let queue = try TestQueue()
    try queue.enqueue("retried")
    try queue.session().fail(#require(try queue.claim()).lease, message: "m", kind: .transient)
    var later = request("later")
    later.runAfter = queue.now + 7_200_000
    _ = try queue.client.enqueue(BatchRequest(), requests: [later])
    try queue.enqueue("held", model: "broken", priority: 1)
    let now = queue.now
    try queue.sql { db in
      try db.execute(
        sql: "INSERT INTO models (name, registered_at, held_until, held_at) VALUES ('broken', 0, ?, ?)",
        arguments: [now + 60_000, now])
      try db.execute(sql: "UPDATE jobs SET held = 2 WHERE model = 'broken'")
    }
    queue.pass(seconds: step)
    #expect(try queue.claim() == nil)
    let due = try #require(try queue.session().nextDue())
    #expect(due <= queue.now + 60_000)
    queue.pass(seconds: 61)
    var claimed: Set<String> = []
    while let job = try queue.claim() { claimed.insert(job.request.render.prompt) }
    #expect(claimed == ["retried", "held"])
    queue.pass(seconds: 7_140)
    while let job = try queue.claim() { claimed.insert(job.request.render.prompt) }
    #expect(claimed.contains("later"))
  }

  /// Nothing waits longer because the clock went forward; what runs is not taken away from who had no time to renew.
  @Test func forwardEndsPauses() throws {
    let queue = try TestQueue()
    try queue.enqueue("a")
    try queue.session().fail(#require(try queue.claim()).lease, message: "m", kind: .transient)
    queue.pass(seconds: 604_800)
    #expect(try queue.claim() != nil)
  }

  /// Leases of a dead worker, too, by whoever claims next, without having seen the clock go back.
  @Test func leasesDoNotLastLonger() throws {
    let queue = try TestQueue()
    try queue.enqueue("a")
    _ = try queue.claim("dead")
    queue.pass(seconds: -604_800)
    #expect(try queue.claim("alive") == nil)
    queue.pass(seconds: 61)
    #expect(try queue.claim("alive") != nil)
  }

  /// A daemon whose clock was a year ahead left its row; with a new host name nobody can ask for its process.
  @Test func aHeartbeatOfNextYearKeepsNoName() throws {
    let queue = try TestQueue()
    try queue.signOn(WorkerRecord(name: "w", pid: 10, host: "old", version: "1"))
    queue.pass(seconds: -31_536_000)
    let session = try queue.signOn(WorkerRecord(name: "w", pid: 10, host: "new", version: "1"))
    try session.verify()
    #expect(try queue.client.workers().map(\.host) == ["new"])
  }

  /// One UPDATE of anybody's ends no daemon.
  @Test(arguments: [
    "pid = 1", "host = 'elsewhere'", "started_at = 9223372036854775807", "started_at = 0",
    "state = 'stopped'",
    "heartbeat_at = 0",
  ])
  func aRowThatSaysOtherwiseIsWrittenAnew(change: String) throws {
    let queue = try TestQueue()
    let session = try queue.session()
    try queue.sql { try $0.execute(sql: "UPDATE workers SET \(change)") }
    try session.verify()
    try session.heartbeat()
    let row = try #require(try queue.client.workers().first)
    #expect(row.pid == 10 && row.host == "h" && row.startedAt == session.record.startedAt)
    #expect(row.state == .idle && row.isAlive(now: queue.now))
  }
}
