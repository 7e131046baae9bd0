import Foundation
import JobStore
import PostgresStore
import TestSupport
import Testing

/// What an idle worker hears of without asking.
@Suite(.enabled(if: PostgresServer.isInstalled, Comment(rawValue: PostgresServer.absence)))
struct NewsTests {
  private static func signOn(_ name: String, at address: String) throws -> PostgresSession {
    try PostgresSession.signOn(
      PostgresDatabase.open(ServerAddress(address), role: .daemon),
      WorkerRecord(name: name, pid: 1, host: "h", version: "1"), leaseSeconds: 3600
    ) { _ in true }
  }

  /// Waits until there is something to read.
  private func wait(for descriptor: Int32) {
    var end = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
    #expect(poll(&end, 1, Int32(Patience.seconds) * 1000) == 1)
  }

  @Test func peopleWakeAnIdleWorker() throws {
    let address = try PostgresServer.shared().newDatabase()
    let worker = try Self.signOn("w", at: address)
    let descriptor = try #require(worker.newsDescriptor())
    #expect(worker.newsDescriptor() == descriptor)
    #expect(!worker.hears())
    let client = PostgresClient(try PostgresDatabase.open(ServerAddress(address), role: .client))
    let deeds: [() throws -> Void] = [
      { _ = try client.enqueue(BatchRequest(), [request("a"), request("b")]) },
      {
        try client.setPaused(true, batch: nil)
        try client.setPaused(false, batch: nil)
      },
      {
        try client.setPaused(true, batch: 1)
        try client.setPaused(false, batch: 1)
      },
      { _ = try client.retry(.job(2)) },
      {
        _ = try client.cancel(.job(2), discard: false)
        _ = try client.retry(.job(2))
      },
      { _ = try client.retry(.batch(1)) },
    ]
    for deed in deeds {
      try deed()
      wait(for: descriptor)
      // What else there is to hear of it comes with the answer to this.
      _ = try worker.changeMark()
      #expect(worker.hears())
      #expect(!worker.hears())
    }
  }

  /// Each telling takes the server's time, and workers do thousands of things.
  @Test func workersWakeNobody() throws {
    let address = try PostgresServer.shared().newDatabase()
    let (idle, busy) = (try Self.signOn("idle", at: address), try Self.signOn("busy", at: address))
    let client = PostgresClient(try PostgresDatabase.open(ServerAddress(address), role: .client))
    try client.enqueue(BatchRequest(), (0..<4).map { request("\($0)") })
    _ = try #require(idle.newsDescriptor())
    try busy.finish(#require(try busy.claim()))
    try busy.giveBack(#require(try busy.claim()).lease)
    _ = try busy.fail(
      #require(try busy.claim()).lease, message: "m", kind: .transient, backoff: Backoff())
    try busy.beat()
    _ = try client.cancel(.job(4), discard: false)
    // What the server had to say has come with the answer to this.
    _ = try idle.changeMark()
    #expect(!idle.hears())
  }

  /// A connection that is lost is not listened to, and the next one is.
  @Test func aNewConnectionListens() throws {
    let address = try PostgresServer.shared().newDatabase()
    let worker = try Self.signOn("w", at: address)
    _ = try #require(worker.newsDescriptor())
    try PostgresServer.sql(
      at: address,
      "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'LISTEN%'"
    )
    let client = PostgresClient(try PostgresDatabase.open(ServerAddress(address), role: .client))
    _ = try worker.changeMark()
    let descriptor = try #require(worker.newsDescriptor())
    try client.enqueue(BatchRequest(), [request("a")])
    wait(for: descriptor)
    #expect(worker.hears())
  }

  /// What is listened for there belongs to a process of the server, and not to a client.
  @Test(.enabled(if: PostgresBouncer.isInstalled, Comment(rawValue: PostgresBouncer.absence)))
  func nobodyListensThroughAPooler() throws {
    let direct = try PostgresServer.shared().newDatabase()
    let worker = try Self.signOn("w", at: PostgresBouncer.shared().address(direct))
    #expect(worker.newsDescriptor() == nil)
    #expect(!worker.hears())
    let mark = try worker.changeMark()
    let client = PostgresClient(try PostgresDatabase.open(ServerAddress(direct), role: .client))
    try client.enqueue(BatchRequest(), [request("a")])
    #expect(try worker.changeMark() != mark)
  }

  /// A job that comes back is seen, though it is the one that was there before.
  @Test func aJobThatComesBackChangesTheMark() throws {
    let address = try PostgresServer.shared().newDatabase()
    let (one, other) = (try Self.signOn("one", at: address), try Self.signOn("other", at: address))
    try PostgresClient(PostgresDatabase.open(ServerAddress(address), role: .client))
      .enqueue(BatchRequest(), [request("a")])
    let mark = try other.changeMark()
    try one.giveBack(#require(try one.claim()).lease)
    #expect(try other.changeMark() != mark)
    #expect(other.crowd >= 1)
  }
}
