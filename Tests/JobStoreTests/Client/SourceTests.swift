import Foundation
import GRDB
import JobStore
import Requests
import Testing

/// What of sources is SQLite's alone, or needs a clock that can be set. `SourceConformanceTests` has the rest.
@Suite struct SourceTests {
  private static let card = "segmind/SegMoE-4x2-v0"

  private func overview(_ queue: TestQueue, _ job: Int64 = 1) throws -> String? {
    try queue.sql {
      try String.fetchOne($0, sql: "SELECT state FROM job_overview WHERE id = ?", arguments: [job])
    }
  }

  @Test func whatMayPassIsTriedAgainAfterAPause() throws {
    let queue = try TestQueue()
    try queue.enqueue("a", model: Self.card)
    let fetcher = try queue.fetcher()
    try fetcher.fail(#require(try fetcher.claim()), message: "no network", tryingAgainIn: 30)
    #expect(try fetcher.claim() == nil && queue.state(1) == .queued)
    #expect(try fetcher.nextDue() == queue.now + 30_000)
    #expect(try overview(queue)?.contains("again at") == true)
    let error = try queue.sql { try String.fetchOne($0, sql: "SELECT error FROM job_overview") }
    #expect(error == "no network")
    queue.pass(seconds: 31)
    #expect(try fetcher.claim()?.tries == 1)
    // A person who does not want to wait.
    let source = try #require(try queue.client.sources(job: 1).first)
    #expect(source.state == .fetching)
    _ = try fetcher.signOff()
    let other = try queue.fetcher(pid: 21)
    try other.fail(#require(try other.claim()), message: "no network", tryingAgainIn: 600)
    try queue.client.retry(job: 1)
    #expect(try other.claim()?.tries == 0)
  }

  /// No path of a program leaves a token in the queue, and plain names and paths are no sources.
  @Test func onlySourcesAreSourcesAndNoTokenIsKept() throws {
    let queue = try TestQueue()
    let link = "https://civitai.com/api/download/models/7?type=Model&token=secret&format=SafeTensor"
    for model in ["demo", "/models/a/b", link] { try queue.enqueue("x", model: model) }
    #expect(try queue.claim()?.job.id == 1)
    #expect(try queue.claim()?.job.id == 2)
    #expect(try queue.claim() == nil)
    let kept = try #require(try queue.fetcher().claim()).text
    #expect(kept == "https://civitai.com/api/download/models/7?type=Model&format=SafeTensor")
    #expect(try queue.client.details(job: 3).job.request.render.model == kept)
    for file in ["", "-wal"] {
      let bytes = FileManager.default.contents(atPath: queue.path + file) ?? Data()
      #expect(!String(decoding: bytes, as: UTF8.self).contains("secret"))
    }
  }

  @Test func aBatchTakesItsSourcesWithIt() throws {
    let queue = try TestQueue()
    try queue.enqueue("a", model: Self.card)
    try queue.sql { try $0.execute(sql: "PRAGMA foreign_keys = ON; DELETE FROM batches") }
    let left = try queue.sql {
      try Int.fetchOne($0, sql: "SELECT (SELECT count(*) FROM sources) + (SELECT count(*) FROM job_sources)")
    }
    #expect(left == 0)
  }

  /// Damaged holds are worked out anew, this one as well.
  @Test func theHoldIsMended() throws {
    let queue = try TestQueue()
    try queue.enqueue("a", model: Self.card)
    try queue.sql { db in
      try db.execute(sql: "PRAGMA ignore_check_constraints = ON; UPDATE jobs SET held = 77")
    }
    try queue.signOn(WorkerRecord(name: "new", pid: 1, host: "h", version: "1"))
    #expect(try queue.sql { try Int.fetchOne($0, sql: "SELECT held FROM jobs") } == 4)
  }
}
