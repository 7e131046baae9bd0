import GRDB
import JobStore
import Testing

@Suite struct WorkerTests {
  private func worker(_ name: String = "w", pid: Int = 10, host: String = "h") -> WorkerRecord {
    WorkerRecord(name: name, pid: pid, host: host, version: "1")
  }

  @Test func twoOfOneNameRefuseEachOther() throws {
    let queue = try TestQueue()
    try queue.store.register(worker(pid: 10)) { _ in true }
    let taken = JobStoreError.workerNameTaken(name: "w", host: "h", pid: 10)
    #expect(storeError { try queue.store.register(worker(pid: 11)) { _ in true } } == taken)
    // Whether a process of another host lives can't be asked; its heartbeat has to age.
    #expect(storeError { try queue.store.register(worker(pid: 11, host: "i")) { _ in false } } == taken)
    try queue.store.register(worker("v", pid: 11)) { _ in true }
    queue.pass(seconds: 61)
    try queue.store.register(worker(pid: 11, host: "i")) { _ in false }
    #expect(try queue.store.workers().map(\.pid) == [11, 11])
  }

  /// Taken for dead, it comes back: it must not go on beside the other, nor speak for it.
  @Test func whoWasReplacedHearsOfIt() throws {
    let queue = try TestQueue()
    let first = try queue.store.register(worker(pid: 10)) { _ in true }
    try queue.store.check(first)
    queue.pass(seconds: 61)
    let second = try queue.store.register(worker(pid: 11)) { _ in true }
    #expect(
      storeError { try queue.store.check(first) } == .workerNameTaken(name: "w", host: "h", pid: 11))
    try queue.store.check(second)
    queue.pass(seconds: 1)
    try queue.store.heartbeat(worker: "w", since: first.startedAt, state: .rendering)
    try queue.store.signOff(worker: "w", since: first.startedAt)
    #expect(try queue.store.workers() == [second])
    try queue.store.signOff(worker: "w", since: second.startedAt)
    #expect(try queue.store.workers().first?.state == .stopped)
  }

  @Test func aHeartbeatKeepsTheName() throws {
    let queue = try TestQueue()
    try queue.store.register(worker()) { _ in true }
    queue.pass(seconds: 50)
    try queue.enqueue("a")
    try queue.store.heartbeat(worker: "w", state: .rendering, job: 1)
    queue.pass(seconds: 50)
    #expect(throws: JobStoreError.self) { try queue.store.register(worker(pid: 11)) { _ in true } }
    let record = try #require(try queue.store.workers().first)
    #expect(record.state == .rendering)
    #expect(record.job == 1)
    #expect(record.isAlive(now: queue.now))
    #expect(!record.isAlive(now: queue.now + 10_001))
  }

  /// Words that the schema allows and no version writes: that daemon is at work, and stands in nobody's way.
  @Test(arguments: ["loading", "draining"]) func wordsThatNobodyWritesAreRead(word: String) throws {
    let queue = try TestQueue()
    try queue.store.register(worker()) { _ in true }
    try queue.sql { db in try db.execute(sql: "UPDATE workers SET state = ?", arguments: [word]) }
    let record = try #require(try queue.store.workers().first)
    #expect(record.state == .rendering && record.isAlive(now: queue.now))
    try queue.store.register(worker(pid: 11)) { $0.pid != 10 }
    #expect(try queue.store.workers().first?.state == .idle)
  }

  @Test func signingOffFreesTheName() throws {
    let queue = try TestQueue()
    try queue.store.register(worker()) { _ in true }
    try queue.store.signOff(worker: "w")
    #expect(try queue.store.workers().first?.isAlive(now: queue.now) == false)
    try queue.store.register(worker(pid: 11)) { _ in true }
  }

  @Test func aRestartAfterACrashFreesTheOldJobsAtOnce() throws {
    let queue = try TestQueue()
    try queue.enqueue("a", "b")
    try queue.store.register(worker(pid: 10)) { _ in true }
    let lost = try #require(try queue.claim("w")).lease
    _ = try queue.claim("other")
    try queue.store.register(worker(pid: 11)) { $0.pid != 10 }
    #expect(try queue.store.list().map(\.state) == [.queued, .running])
    let again = try #require(try queue.claim("w"))
    #expect(again.job.attempts == 2)
    #expect(again.job.losses == 1)
    #expect(storeError { try queue.store.giveBack(lost) } == .leaseLost(job: 1, worker: "w"))
  }
}
