import Boundary
import Foundation
import GRDB
import JobStore
import Testing

@Suite struct WorkerTests {
  private func worker(_ name: String = "w", pid: Int = 10, host: String = "h") -> WorkerRecord {
    WorkerRecord(name: name, pid: pid, host: host, version: "1")
  }

  @Test func twoOfOneNameRefuseEachOther() throws {
    let queue = try TestQueue()
    try queue.signOn(worker(pid: 10)) { _ in true }
    let taken = JobStoreError.workerNameTaken(name: "w", host: "h", pid: 10)
    #expect(storeError { try queue.signOn(worker(pid: 11)) { _ in true } } == taken)
    // Whether a process of another host lives can't be asked; its heartbeat has to age.
    #expect(storeError { try queue.signOn(worker(pid: 11, host: "i")) { _ in false } } == taken)
    try queue.signOn(worker("v", pid: 11)) { _ in true }
    queue.pass(seconds: 61)
    try queue.signOn(worker(pid: 11, host: "i")) { _ in false }
    #expect(try queue.client.workers().map(\.pid) == [11, 11])
  }

  /// What a worker says of itself is what it said last.
  @Test func workersIntroduceThemselves() throws {
    let queue = try TestQueue()
    #expect(try queue.client.introductions().isEmpty)
    try queue.signOn(worker(pid: 10), introduction: "memory budget 1GiB")
    try queue.signOn(worker("v", pid: 11))
    queue.pass(seconds: 61)
    try queue.signOn(worker(pid: 12), introduction: "memory budget 2GiB")
    #expect(
      try queue.client.introductions() == [
        "v": "1, process 11 on h", "w": "1, process 12 on h, memory budget 2GiB",
      ])
  }

  /// Taken for dead, it comes back: it must not go on beside the other, nor speak for it.
  @Test func whoWasReplacedHearsOfIt() throws {
    let queue = try TestQueue()
    let first = try queue.signOn(worker(pid: 10)) { _ in true }
    try first.verify()
    queue.pass(seconds: 61)
    let second = try queue.signOn(worker(pid: 11)) { _ in true }
    // A row may say anything: only who says so twice is another.
    try first.verify()
    try second.verify()
    #expect(
      storeError { try first.verify() } == .workerNameTaken(name: "w", host: "h", pid: 11))
    try second.verify()
    queue.pass(seconds: 1)
    try first.heartbeat()
    try first.signOff()
    #expect(try queue.client.workers() == [second.record])
    try second.signOff()
    #expect(try queue.client.workers().first?.state == .stopped)
  }

  @Test func aHeartbeatKeepsTheName() throws {
    let queue = try TestQueue()
    try queue.signOn(worker()) { _ in true }
    queue.pass(seconds: 50)
    try queue.enqueue("a")
    _ = try queue.claim("w")
    try queue.session().heartbeat()
    queue.pass(seconds: 50)
    #expect(throws: JobStoreError.self) { try queue.signOn(worker(pid: 11)) { _ in true } }
    let record = try #require(try queue.client.workers().first)
    #expect(record.state == .rendering)
    #expect(record.job == 1)
    #expect(record.isAlive(now: queue.now))
    #expect(!record.isAlive(now: queue.now + 10_001))
  }

  /// Whoever is among the same processes of the same host sees that one has ended; anybody else waits for its heartbeat.
  @Test func anEndedProcessIsSeenWhereItsNumberCounts() throws {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/bin/true")
    try process.run()
    process.waitUntilExit()
    let (ended, mine) = (Int(process.processIdentifier), Int(ProcessInfo.processInfo.processIdentifier))
    let space = try #require(ProcessSpace.current)
    let queue = try TestQueue()
    func isAlive(_ pid: Int, in space: String?, on host: String = "h") throws -> Bool {
      let worker = WorkerRecord(name: "w", pid: pid, host: host, processSpace: space, version: "1")
      try queue.sql { try $0.execute(sql: "DELETE FROM workers") }
      try queue.signOn(worker)
      let record = try #require(try queue.client.workers().first)
      #expect(record.processSpace == space)
      return record.isAlive(now: queue.now, on: "h")
    }
    #expect(try isAlive(mine, in: space))
    #expect(try !isAlive(ended, in: space))
    #expect(try isAlive(ended, in: space, on: "elsewhere"))
    #expect(try isAlive(ended, in: "pid:[1]"))
    #expect(try isAlive(ended, in: nil))
    for absurd in [0, -1, Int.max] { #expect(try isAlive(absurd, in: space)) }
  }

  /// Words that the schema allows and no version writes: that daemon is at work, and stands in nobody's way.
  @Test(arguments: ["loading", "draining"]) func wordsThatNobodyWritesAreRead(word: String) throws {
    let queue = try TestQueue()
    try queue.signOn(worker()) { _ in true }
    try queue.sql { db in try db.execute(sql: "UPDATE workers SET state = ?", arguments: [word]) }
    let record = try #require(try queue.client.workers().first)
    #expect(record.state == .rendering && record.isAlive(now: queue.now))
    try queue.signOn(worker(pid: 11)) { $0.pid != 10 }
    #expect(try queue.client.workers().first?.state == .idle)
  }

  @Test func signingOffFreesTheName() throws {
    let queue = try TestQueue()
    try queue.signOn(worker()) { _ in true }
    try queue.session().signOff()
    #expect(try queue.client.workers().first?.isAlive(now: queue.now) == false)
    try queue.signOn(worker(pid: 11)) { _ in true }
  }

  @Test func aRestartAfterACrashFreesTheOldJobsAtOnce() throws {
    let queue = try TestQueue()
    try queue.enqueue("a", "b")
    try queue.signOn(worker(pid: 10)) { _ in true }
    let old = try queue.session()
    let lost = try #require(try old.claim()).lease
    _ = try queue.claim("other")
    try queue.signOn(worker(pid: 11)) { $0.pid != 10 }
    #expect(try queue.client.list().map(\.state) == [.queued, .running])
    let again = try #require(try queue.claim("w"))
    #expect(again.job.attempts == 2)
    #expect(again.job.losses == 1)
    #expect(storeError { try old.giveBack(lost) } == .leaseLost(job: 1, worker: "w"))
  }
}
