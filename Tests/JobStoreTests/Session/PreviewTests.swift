import Foundation
import GRDB
import JobStore
import Requests
import Testing

/// Small pictures of what is at work.
@Suite struct PreviewTests {
  private func claimed(_ queue: TestQueue, count: Int = 3) throws -> ClaimedJob {
    _ = try queue.client.enqueue(BatchRequest(), requests: [request("a", count: count)])
    return try #require(try queue.claim())
  }

  @Test func theNewestOfEachImage() throws {
    let queue = try TestQueue()
    let (one, other) = (try claimed(queue), try claimed(queue))
    let session = try queue.session()
    try session.keep(preview: [1], step: 2, index: 1, one.lease)
    try session.keep(preview: [2, 2], step: 3, index: 0, one.lease)
    queue.pass(seconds: 1)
    try session.keep(preview: [3], step: 4, index: 1, one.lease)
    try session.keep(preview: [4], step: 1, index: 0, other.lease)
    let all = try queue.client.previews(jobs: [other.job.id, one.job.id])
    #expect(
      all.map { [$0.job, Int64($0.number), Int64($0.step), $0.madeAt] } == [
        [one.job.id, 0, 3, queue.now - 1000], [one.job.id, 1, 4, queue.now],
        [other.job.id, 0, 1, queue.now],
      ])
    #expect(all.map(\.png) == [[2, 2], [3], [4]])
    #expect(try queue.another().previews(jobs: [one.job.id]) == Array(all[..<2]))
    #expect(try queue.client.previews(jobs: []).isEmpty && queue.client.previews(jobs: [77]).isEmpty)
  }

  /// How an attempt may end.
  enum End: CaseIterable {
    case done, failed, retried, givenBack, cancelled, lost
  }

  @Test(arguments: End.allCases) func nothingIsLeftWhenTheJobStopsRunning(end: End) throws {
    let queue = try TestQueue()
    let (job, other) = (try claimed(queue, count: 1), try claimed(queue))
    let session = try queue.session()
    for lease in [job.lease, other.lease] { try session.keep(preview: [1], step: 2, index: 0, lease) }
    switch end {
    case .done: try session.finish(job.lease, images: [image(0)], statistics: RenderStatistics())
    case .failed: try session.fail(job.lease, message: "x", kind: .badInput)
    case .retried: try session.fail(job.lease, message: "x", kind: .transient)
    case .givenBack: try session.giveBack(job.lease)
    case .cancelled:
      _ = try queue.client.cancel(job: job.job.id)
      try session.cancelled(job.lease)
    case .lost:
      queue.pass(seconds: 61)
      try session.renew(other.lease)
      _ = try queue.claim("quick")
    }
    #expect(try queue.client.previews(jobs: [job.job.id]).isEmpty)
    #expect(try queue.client.previews(jobs: [other.job.id]).count == 1)
    // Whoever does not have the job any more stores none.
    #expect(throws: JobStoreError.leaseLost(job: job.job.id, worker: "w")) {
      try session.keep(preview: [1], step: 3, index: 0, job.lease)
    }
    #expect(try queue.client.previews(jobs: [job.job.id]).isEmpty)
  }

  /// An image that has a file needs no preview.
  @Test func nothingIsLeftOfAFinishedImage() throws {
    let queue = try TestQueue()
    let job = try claimed(queue)
    let session = try queue.session()
    for index in 0..<2 {
      try session.report(ImageProgress(index: index, phase: .denoising, step: 1, steps: 2), job.lease)
      try session.keep(preview: [1], step: 1, index: index, job.lease)
    }
    try session.report(ImageProgress(index: 0, phase: .done, step: 2, steps: 2), job.lease)
    #expect(try queue.client.previews(jobs: [job.job.id]).map(\.number) == [1])
  }

  /// It is left out while somebody has the write lock, and stored when he has let go.
  @Test func aLockedQueueIsNotWaitedFor() throws {
    let queue = try TestQueue()
    let job = try claimed(queue)
    let session = try queue.session()
    try queue.sql { db in
      try db.execute(sql: "UPDATE queue SET paused = 1")
      #expect(throws: JobStoreError.busy(path: queue.path)) {
        try session.keep(preview: [1], step: 1, index: 0, job.lease)
      }
    }
    #expect(try queue.client.previews(jobs: [job.job.id]).isEmpty)
    try session.keep(preview: [1], step: 2, index: 0, job.lease)
    #expect(try queue.client.previews(jobs: [job.job.id]).map(\.step) == [2])
  }

  @Test func aLargeFileIsNotStored() throws {
    let queue = try TestQueue()
    let job = try claimed(queue)
    let session = try queue.session()
    let largest = [UInt8](repeating: 1, count: Preview.longest)
    try session.keep(preview: largest, step: 1, index: 0, job.lease)
    #expect(throws: JobStoreError.self) {
      try session.keep(preview: largest + [1], step: 2, index: 0, job.lease)
    }
    #expect(try queue.client.previews(jobs: [job.job.id]).map(\.step) == [1])
  }

  /// What a person at sqlite3 wrote is an error with the column's name, and a large file is not read first.
  @Test(arguments: [
    ("png = zeroblob(\((1 << 20) + 1))", "png", "1048577 bytes"),
    ("png = zeroblob(90000000)", "png", "90000000 bytes"),
    ("png = x''", "png", "0 bytes"), ("number = -1", "number", "-1"), ("step = -7", "step", "-7"),
  ])
  func wrongRowsAreNamed(change: String, column: String, value: String) throws {
    let queue = try TestQueue()
    let job = try claimed(queue)
    try queue.session().keep(preview: [1], step: 1, index: 0, job.lease)
    try queue.sql { try $0.execute(sql: "UPDATE previews SET \(change)") }
    #expect(
      storeError { _ = try queue.client.previews(jobs: [job.job.id]) }
        == .damagedRow(table: "previews", column: column, value: value))
    // The next one is stored all the same, and the job ends as any.
    try queue.session().keep(preview: [2], step: 2, index: 0, job.lease)
    try queue.session().giveBack(job.lease)
    #expect(try queue.sql { try Int.fetchOne($0, sql: "SELECT count(*) FROM previews") } == 0)
  }

  /// Rows of jobs that are not there, or are over, are in nobody's way; of too many only the first are read.
  @Test func rowsOfNobodysJobs() throws {
    let queue = try TestQueue()
    let job = try claimed(queue)
    try DatabaseQueue(path: queue.path).writeWithoutTransaction { db in
      try db.execute(
        sql: """
          PRAGMA foreign_keys = OFF;
          INSERT INTO previews SELECT 4711, value, 1, x'01', 0 FROM json_each('[1,2,3,4,5]');
          """)
      try db.execute(
        sql: """
          WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 4999)
          INSERT INTO previews SELECT ?, i, 1, x'01', 0 FROM n
          """, arguments: [job.job.id])
    }
    _ = try queue.anotherSession("new")
    #expect(try queue.client.previews(jobs: [job.job.id]).map(\.number) == Array(0..<100))
    try queue.session().fail(job.lease, message: "x", kind: .badInput)
    #expect(try queue.client.previews(jobs: [job.job.id]).isEmpty)
    #expect(try queue.client.list().map(\.state) == [.failed])
  }
}
