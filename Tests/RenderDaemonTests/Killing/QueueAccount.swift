import Checkpoints
import Foundation
import GRDB
import JobStore
import Testing

/// What must be so whenever a queue has come to rest, whatever happened to it before.
enum QueueAccount {
  /// Compares rows, files and counts.
  /// - Parameters:
  ///   - accepted: the jobs of every enqueue that answered.
  ///   - run: how to repeat it.
  /// - Returns: the jobs by state, and the number of pictures.
  @discardableResult
  static func expectInOrder(
    _ house: DaemonHouse, accepted: [ClosedRange<Int64>] = [], _ run: Comment,
    location: SourceLocation = #_sourceLocation
  ) throws -> (counts: StateCounts, pictures: Int) {
    let facts = try house.sqlite().read { db in
      try Self.facts.map { try String.fetchOne(db, sql: $0.sql) }
    }
    for (fact, found) in zip(Self.facts, facts) {
      #expect(found == fact.wanted, "\(fact.sql); \(run)", sourceLocation: location)
    }
    for jobs in accepted {
      var filter = JobFilter()
      filter.jobs = Array(jobs)
      let found = try house.client.list(filter)
      #expect(
        found.count == jobs.count && !found.contains { $0.state.isOpen },
        "of the accepted jobs \(jobs) there are \(found.map(\.state)); \(run)", sourceLocation: location)
    }
    var paths: Set<String> = []
    for job in try house.client.list() {
      for image in try house.client.details(job: job.id).images {
        paths.insert(image.path)
        var digest = Digest()
        digest.add([UInt8](try Data(contentsOf: URL(fileURLWithPath: image.path))))
        #expect(
          digest.hexadecimal() == image.digest, "\(image.path), \(run)", sourceLocation: location)
      }
    }
    #expect(Set(house.files().map { house.output + "/" + $0 }) == paths, run, sourceLocation: location)
    let beside = try FileManager.default.contentsOfDirectory(atPath: house.folder)
    #expect(
      !beside.contains { $0.contains(".tmp-") || $0.hasSuffix(".part") }, "\(beside), \(run)",
      sourceLocation: location)
    return (try house.client.status().counts, paths.count)
  }

  private static let facts: [(sql: String, wanted: String)] = [
    ("PRAGMA integrity_check", "ok"),
    ("SELECT count(*) FROM pragma_foreign_key_check", "0"),
    ("SELECT count(*) FROM jobs WHERE state IN ('queued', 'running')", "0"),
    ("SELECT count(*) FROM jobs WHERE attempts > max_attempts OR losses > 3", "0"),
    // Each job ends once.
    (
      """
      SELECT count(*) FROM jobs j WHERE 1 <> (SELECT count(*) FROM events e
        WHERE e.job = j.id AND e.what IN ('done', 'failed', 'cancelled'))
      """, "0"
    ),
    // A done job has all of its pictures; another may have some.
    (
      """
      SELECT count(*) FROM jobs j JOIN (SELECT job, count(*) AS pictures FROM images GROUP BY job) i ON i.job = j.id
      WHERE iif(j.state = 'done', i.pictures <> j.count, i.pictures > j.count)
      """, "0"
    ),
    ("SELECT count(*) FROM jobs WHERE state = 'done' AND id NOT IN (SELECT job FROM images)", "0"),
    // A batch is whole.
    (
      """
      SELECT count(*) FROM batches b WHERE b.last_job - b.first_job + 1
        <> (SELECT count(*) FROM jobs j WHERE j.batch = b.id)
      """, "0"
    ),
    ("SELECT count(*) FROM checkpoints", "0"),
    (
      """
      SELECT count(*) FROM queue q WHERE q.queued + q.running <> 0
        OR q.done <> (SELECT count(*) FROM jobs WHERE state = 'done')
        OR q.failed <> (SELECT count(*) FROM jobs WHERE state = 'failed')
        OR q.cancelled <> (SELECT count(*) FROM jobs WHERE state = 'cancelled')
      """, "0"
    ),
  ]
}
