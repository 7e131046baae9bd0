import Foundation
import GRDB
import JobStore
import Synchronization
import TestSupport
import Testing

/// A search for a text in prompts has the result of reading them all, whatever state its index is in.
@Suite struct PromptSearchTests {
  /// The statements of a client, and the client.
  private final class Watched: Sendable {
    let statements = Mutex<[String]>([])

    func client(_ queue: TestQueue) throws -> QueueClient {
      QueueClient(
        try QueueDatabase.open(
          path: queue.path, role: .client, for: .reading,
          trace: { statement in self.statements.withLock { $0.append(statement) } }))
    }

    /// Whether the index was asked since the last time.
    func usedIndex() -> Bool {
      statements.withLock { statements in
        defer { statements = [] }
        return statements.contains { $0.contains(" MATCH ") }
      }
    }
  }

  /// A queue with these prompts, all of them in the index.
  private func indexed(_ prompts: [String]) throws -> TestQueue {
    let queue = try TestQueue()
    _ = try queue.client.enqueue(BatchRequest(), requests: prompts.map { request($0) })
    // The filter for a small batch or few jobs reads them at once, so no test names one.
    while try queue.session().indexPrompts(atMost: 97, lag: 1) > 0 {}
    return queue
  }

  private func found(_ text: String, in client: QueueClient, limit: Int? = nil) throws -> [Int64] {
    var filter = JobFilter()
    filter.prompt = text
    filter.limit = limit
    return try client.list(filter).map(\.id)
  }

  /// What reading all the prompts finds.
  private func read(_ text: String, _ queue: TestQueue) throws -> [Int64] {
    var pattern = String.UnicodeScalarView()
    for scalar in text.unicodeScalars {
      if ["%", "_", "!"].contains(scalar) { pattern.append("!") }
      pattern.append(scalar)
    }
    let argument = "%\(String(pattern))%"
    return try queue.sql { db in
      try Int64.fetchAll(
        db, sql: "SELECT id FROM jobs WHERE prompt LIKE ? ESCAPE '!' ORDER BY id", arguments: [argument])
    }
  }

  private func expectSame(
    _ texts: [String], _ queue: TestQueue, _ client: QueueClient, _ what: String,
    _ location: SourceLocation = #_sourceLocation
  ) throws {
    for text in texts {
      let all = try read(text, queue)
      #expect(try found(text, in: client) == all, "\(what): '\(text)'", sourceLocation: location)
      #expect(
        try found(text, in: client, limit: 3) == Array(all.suffix(3)), "\(what): the newest of '\(text)'",
        sourceLocation: location)
    }
  }

  private static let words = [
    "fox", "FOX", "Straße", "ÉCLAIR", "éclair", "東京の空", "🦊🦊", "100%", "a_b", "\\", "\"quoted\"", "'s", "AND",
    "OR", "NOT", "NEAR(", "*", "^", "col:", "{x}", "e\u{301}", "%\u{301}", "İstanbul", "\u{FFFD}", "\n",
    "(red:1.3)",
  ]

  private func randomText(_ random: inout RandomNumbers, words count: Int) -> String {
    (0..<count).map { _ in Self.words[random.below(Self.words.count)] }.joined(
      separator: random.isLucky(oneIn: 2) ? " " : "")
  }

  @Test func findsWhatReadingFinds() throws {
    var random = RandomNumbers(seed: 21)
    let queue = try indexed((0..<600).map { _ in randomText(&random, words: 1 + random.below(8)) })
    let watched = Watched()
    let client = try watched.client(queue)
    var texts = Self.words + ["", "x", "fo", "nowhere to be found", String(repeating: "fox ", count: 500)]
    texts += (0..<150).map { _ in randomText(&random, words: 1 + random.below(3)) }
    try expectSame(texts, queue, client, "whole index")
    #expect(watched.usedIndex())
    // New jobs are read until the index has them.
    _ = try queue.client.enqueue(
      BatchRequest(), requests: (0..<50).map { _ in request(randomText(&random, words: 4)) })
    try expectSame(texts, queue, client, "new jobs")
    #expect(watched.usedIndex())
  }

  /// Further conditions count for what the index finds, too.
  @Test func otherFiltersHold() throws {
    let queue = try indexed((0..<40).map { "a red fox, number \($0)" })
    let client = try queue.another()
    try queue.sql { try $0.execute(sql: "UPDATE jobs SET state = 'done' WHERE id <= 3") }
    var filter = JobFilter()
    filter.prompt = "FOX, num"
    filter.states = [.done]
    #expect(try client.list(filter).map(\.id) == [1, 2, 3])
    filter.states = []
    filter.model = "nobody's"
    #expect(try client.list(filter).isEmpty)
    filter.model = "demo"
    filter.limit = 2
    #expect(try client.list(filter).map(\.id) == [39, 40])
    filter.batch = 1
    #expect(try client.list(filter).map(\.id) == [39, 40])
    filter.createdSince = queue.now + 1
    #expect(try client.list(filter).isEmpty)
  }

  /// People write to `jobs` as they like, and never meet the index.
  @Test(arguments: [
    "UPDATE jobs SET prompt = 'a purple heron' WHERE id IN (5, 90)",
    "UPDATE OR REPLACE jobs SET prompt = prompt || ', a purple heron' WHERE id % 7 = 0",
    "UPDATE jobs SET prompt = 'heron' WHERE id = 7; UPDATE jobs SET prompt = 'purple heron' WHERE id = 7",
    "UPDATE jobs SET id = 40000, prompt = 'purple heron' WHERE id = 7",
    "DELETE FROM jobs WHERE id BETWEEN 3 AND 60",
    """
    CREATE TEMP TABLE mine AS SELECT * FROM jobs WHERE id = 9; DELETE FROM jobs WHERE id = 9;
    UPDATE mine SET prompt = 'purple heron'; INSERT INTO jobs SELECT * FROM mine
    """,
    "CREATE TEMP TABLE mine AS SELECT * FROM jobs WHERE id = 9; UPDATE mine SET prompt = 'purple heron'; REPLACE INTO jobs SELECT * FROM mine",
    "CREATE TEMP TABLE mine AS SELECT * FROM jobs WHERE id = 9; UPDATE mine SET id = -4; INSERT INTO jobs SELECT * FROM mine",
    "UPDATE jobs SET prompt = 'a purple' || char(0) || ' heron' WHERE id = 12",
    "UPDATE jobs SET prompt = replace(hex(zeroblob(100000)), '00', 'xy') || ' purple heron' WHERE id = 12",
    "UPDATE jobs SET prompt = CAST(x'ff68c3206865726f6e' AS TEXT) WHERE id = 12",
    "DELETE FROM prompt_index", "UPDATE prompt_index SET number = -1", "UPDATE prompt_index SET number = 77",
    "DROP TABLE prompt_texts_1", "DROP TABLE prompt_texts_1_config", "DROP TABLE prompt_texts_1_data",
    "DROP TABLE prompt_texts_1; CREATE TABLE prompt_texts_1 (prompt)",
    "DROP TABLE prompt_texts_1; CREATE VIEW prompt_texts_1 AS SELECT id, prompt FROM jobs WHERE 0",
    "UPDATE prompt_texts_1_data SET block = x'deadbeef'",
    "UPDATE prompt_texts_1_data SET block = zeroblob(40)",
  ])
  func whateverSomebodyWrites(_ sql: String) throws {
    let queue = try indexed((1...100).map { "a \($0 % 3 == 0 ? "red fox" : "purple heron"), number \($0)" })
    try queue.sql { try $0.execute(sql: sql) }
    let texts = ["purple heron", "red fox", "HERON, NUMBER 1", "number 9", "heron"]
    try expectSame(texts, queue, queue.another(), "written by hand")
    // The queue itself goes on, and a daemon makes the index anew if it must.
    _ = try queue.another().enqueue(BatchRequest(), requests: [request("a purple heron comes late")])
    try queue.sql { try $0.execute(sql: "UPDATE jobs SET prompt = 'a red fox at last' WHERE id = 20") }
    try queue.session().verify()
    if try queue.session().needsNewPromptIndex() { try queue.session().renewPromptIndex() }
    while try queue.session().indexPrompts(atMost: 40, lag: 1) > 0 {}
    let watched = Watched()
    try expectSame(texts, queue, watched.client(queue), "mended")
    #expect(watched.usedIndex())
  }

  /// Jobs are indexed while somebody writes others.
  @Test func editsBetweenPiecesAreSeen() throws {
    let queue = try TestQueue()
    _ = try queue.client.enqueue(BatchRequest(), requests: (1...60).map { request("a red fox \($0)") })
    for id in stride(from: 1, through: 60, by: 6) {
      _ = try queue.session().indexPrompts(atMost: 7, lag: 1)
      try queue.sql { db in
        try db.execute(
          sql: "UPDATE jobs SET prompt = 'a green newt' WHERE id IN (?, ?)", arguments: [id, 61 - id])
      }
      try expectSame(["red fox", "green newt"], queue, queue.client, "after job \(id)")
    }
  }

  /// Long prompts take long, and others wait for the lock: so few of them are a piece.
  @Test func longPromptsAreTakenAFewAtATime() throws {
    let queue = try TestQueue()
    let long = String(repeating: "a red fox, ", count: 4000)
    _ = try queue.client.enqueue(
      BatchRequest(), requests: (1...12).map { request("\(long) number \($0) of them") })
    var pieces: [Int] = []
    while case let taken = try queue.session().indexPrompts(atMost: 100, lag: 1), taken > 0 {
      pieces.append(taken)
    }
    #expect(pieces == [3, 3, 3, 3])
    let watched = Watched()
    try expectSame(["number 7 of", "red fox,  number"], queue, watched.client(queue), "long prompts")
    #expect(watched.usedIndex())
  }

  /// The daemon's other threads use the same connection, so neither piece of its work waits for a writer.
  @Test func itWaitsForNobody() throws {
    let queue = try indexed(["a red fox"])
    try queue.enqueue("a green newt")
    let session = try queue.session()
    try queue.sql { db in
      try db.execute(sql: "UPDATE jobs SET prompt = prompt WHERE id = 2")
      for renews in [false, true] {
        do {
          if renews {
            try session.renewPromptIndex()
          } else {
            _ = try session.indexPrompts(atMost: 9, lag: 1)
          }
          Issue.record("it did not see the other writer")
        } catch JobStoreError.busy {}
      }
    }
    #expect(try session.indexPrompts(atMost: 9, lag: 1) == 1)
  }

  @Test func aSmallQueueHasNoIndex() throws {
    let queue = try TestQueue()
    try queue.enqueue("a red fox", "a green newt")
    #expect(try queue.session().indexPrompts(atMost: 100) == 0)
    #expect(try queue.session().needsNewPromptIndex() == false)
    #expect(
      try queue.sql {
        try String.fetchAll($0, sql: "SELECT name FROM sqlite_schema WHERE name GLOB 'prompt_texts*'")
      }.isEmpty)
  }

  /// After a purge most of the index is of jobs that are gone.
  @Test func aWornIndexIsMadeAnew() throws {
    let queue = try indexed(["a red fox"])
    #expect(try queue.session().needsNewPromptIndex() == false)
    try queue.sql { try $0.execute(sql: "UPDATE prompt_index SET texts = 20000") }
    #expect(try queue.session().needsNewPromptIndex())
    try queue.session().renewPromptIndex()
    #expect(try queue.session().needsNewPromptIndex() == false)
    #expect(try queue.session().indexPrompts(atMost: 9, lag: 1) == 1)
    #expect(
      try queue.sql {
        try String.fetchAll($0, sql: "SELECT name FROM sqlite_schema WHERE sql LIKE 'CREATE VIRTUAL%'")
      } == ["prompt_texts_2"])
  }

  /// More hits than are looked up one by one.
  @Test func aTextThatMostHave() throws {
    let queue = try TestQueue()
    var left = 50_700
    _ = try queue.client.enqueue(BatchRequest()) {
      left -= 1
      return left < 0 ? nil : request(left % 100 == 7 ? "a red fox" : "a redfox")
    }
    while try queue.session().indexPrompts(atMost: 2000, lag: 1) > 0 {}
    // The parts of the text are in every prompt of the other kind, but the text is not.
    try queue.sql { try $0.execute(sql: "UPDATE jobs SET prompt = 'a red, fox' WHERE id = 9") }
    let watched = Watched()
    #expect(try found("redfox", in: watched.client(queue)).count == read("redfox", queue).count)
    #expect(watched.usedIndex())
    #expect(try found("a red fox", in: queue.client) == read("a red fox", queue))
    // With other conditions, the index still says which jobs to look at.
    var filter = JobFilter()
    filter.prompt = "a red fox"
    filter.batch = 1
    filter.states = [.queued, .failed]
    filter.limit = 20
    #expect(try watched.client(queue).list(filter).map(\.id) == read("a red fox", queue).suffix(20))
    #expect(watched.usedIndex())
    filter.states = [.failed]
    #expect(try watched.client(queue).list(filter).isEmpty)
    #expect(!watched.usedIndex())
  }
}
