import Foundation
import JobStore
import PostgresStore
import TestSupport
import Testing

/// Events of transactions that are under way while somebody reads.
@Suite(.enabled(if: PostgresServer.isInstalled, Comment(rawValue: PostgresServer.absence)))
struct ServerEventTests {
  private static let event = "INSERT INTO events (what, detail) VALUES ('paused', 'slow')"

  /// A number that was given before others is read after them, once its transaction has ended; and keeps none of them.
  @Test func aSlowTransactionIsNeitherMissedNorWaitedFor() throws {
    let address = try PostgresServer.shared().newDatabase()
    let client = PostgresClient(try PostgresDatabase.open(ServerAddress(address), role: .client))
    var mark = try client.newestEvent()
    let slow = try OpenTransaction(at: address, Self.event)
    let others = try client.newestEvent()
    try client.enqueue(BatchRequest(), [request("a")])
    var news = try client.events(after: mark)
    #expect(news.events.map(\.kind) == [.enqueued])
    mark = news.mark
    try client.enqueue(BatchRequest(), [request("b")])
    try slow.commit()
    news = try client.events(after: mark)
    #expect(news.events.map(\.detail) == ["slow", "job 2"])
    #expect(try client.events(after: news.mark).events.isEmpty)
    // Whoever began to watch meanwhile sees it, too.
    #expect(try client.events(after: others).events.map(\.detail) == ["slow", "job 1", "job 2"])
  }

  /// What another forgets was never there.
  @Test func aTransactionThatIsUndoneLeavesNothing() throws {
    let address = try PostgresServer.shared().newDatabase()
    let client = PostgresClient(try PostgresDatabase.open(ServerAddress(address), role: .client))
    let mark = try client.newestEvent()
    let before = try client.changeMark()
    _ = try? PostgresServer.sql(at: address, "BEGIN; \(Self.event); ROLLBACK")
    #expect(try client.changeMark() != before)
    #expect(try client.events(after: mark).events.isEmpty)
  }

  @Test func aQueueThatIsGoneIsNoticed() throws {
    let address = try PostgresServer.shared().newDatabase()
    let client = PostgresClient(try PostgresDatabase.open(ServerAddress(address), role: .client))
    try client.verify()
    try PostgresServer.sql(at: address, "INSERT INTO schema_version VALUES (99, 'later')")
    guard case .schemaTooNew(_, found: 99, known: 1)? = storeError({ try client.verify() }) else {
      Issue.record("a newer schema passes")
      return
    }
    try PostgresServer.sql(at: address, "DROP SCHEMA public CASCADE; CREATE SCHEMA public")
    guard case .noQueue? = storeError({ try client.verify() }) else {
      Issue.record("no tables pass")
      return
    }
  }
}
