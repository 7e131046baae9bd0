import Boundary
import Checkpoints
import Foundation
import GRDB
import JobStore
import Requests
import TestSupport
import Testing

/// What must be so whenever a queue has come to rest, whatever happened to it before.
enum QueueAccount {
  /// Compares rows, files and counts.
  /// - Parameters:
  ///   - accepted: the jobs of every enqueue that answered.
  ///   - touched: jobs whose rows somebody has changed by hand. They have ended too, but in any way, and perhaps twice.
  ///   - reference: of the pictures.
  ///   - run: how to repeat it.
  /// - Returns: the jobs by state, and the number of pictures.
  @discardableResult
  static func expectInOrder(
    _ house: DaemonHouse, accepted: [ClosedRange<Int64>] = [], touched: Set<Int64> = [],
    reference: PictureReference? = nil, _ run: Comment,
    location: SourceLocation = #_sourceLocation
  ) throws -> (counts: StateCounts, pictures: Int) {
    let wanted = facts(touched)
    let facts = try house.sqlite().read { db in try wanted.map { try String.fetchOne(db, sql: $0.sql) } }
    for (fact, found) in zip(wanted, facts) {
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
    let pictures = try house.sqlite().read { db in
      try Row.fetchAll(db, sql: Self.pictures).map { row in
        var request = RenderRequest(model: row["model"])
        request.prompt = row["prompt"]
        request.steps = row["steps"]
        request.scheduler = (row["scheduler"] as String?).flatMap { SchedulerName(rawValue: $0) }
        return (image: try ImageRecord(row: row), request: request)
      }
    }
    try expectPictures(pictures, below: house.output, reference: reference, run, location: location)
    let beside = try FileManager.default.contentsOfDirectory(atPath: house.folder)
    #expect(
      !beside.contains { $0.contains(".tmp-") || $0.hasSuffix(".part") }, "\(beside), \(run)",
      sourceLocation: location)
    return (try house.client.status().counts, pictures.count)
  }

  /// The files in a folder must be those that rows name, each once, with their digests and the right pixels.
  /// - Parameters:
  ///   - pictures: of the rows, and what was asked for.
  ///   - output: the folder.
  ///   - reference: of the pictures.
  ///   - run: how to repeat it.
  static func expectPictures(
    _ pictures: [(image: ImageRecord, request: RenderRequest)], below output: String,
    reference: PictureReference?, _ run: Comment, location: SourceLocation = #_sourceLocation
  ) throws {
    var paths: Set<String> = []
    for (image, request) in pictures {
      #expect(
        paths.insert(image.path).inserted, "\(image.path) is in two rows, \(run)", sourceLocation: location)
      var digest = Digest()
      digest.add([UInt8](try Data(contentsOf: URL(fileURLWithPath: image.path))))
      #expect(
        digest.hexadecimal() == image.digest, "\(image.path), \(run)", sourceLocation: location)
      guard let reference else { continue }
      #expect(
        try reference.isRight(image, of: request), "\(image.path) is another picture, \(run)",
        sourceLocation: location)
    }
    let files = TemporaryFolder.files(below: output).map { output + "/" + $0 }
    #expect(Set(files) == paths, run, sourceLocation: location)
  }

  /// All pictures that are on disk, those of earlier renderings too.
  private static let pictures = """
    SELECT i.*, j.model, j.prompt, j.steps, j.scheduler FROM (
      SELECT job, number, path, seed, width, height, digest, bytes, seconds, numerics FROM images
      UNION ALL
      SELECT job, number, path, seed, width, height, digest, bytes, seconds, numerics FROM former_images
    ) i JOIN jobs j ON j.id = i.job
    """

  private static func facts(_ touched: Set<Int64>) -> [(sql: String, wanted: String)] {
    let others = "j.id NOT IN (\(touched.map { "\($0)" }.joined(separator: ", ")))"
    return [
      // Whoever changed rows by hand may have left values that constraints forbid.
      (
        """
        SELECT ifnull(group_concat(integrity_check), 'ok') FROM pragma_integrity_check
        WHERE \(touched.isEmpty ? "1" : "integrity_check NOT LIKE 'CHECK constraint failed%'")
        """, "ok"
      ),
      ("SELECT count(*) FROM pragma_foreign_key_check", "0"),
      ("SELECT count(*) FROM jobs WHERE state IN ('queued', 'running')", "0"),
      ("SELECT count(*) FROM jobs j WHERE (attempts > max_attempts OR losses > 3) AND \(others)", "0"),
      // Each job ends once.
      (
        """
        SELECT count(*) FROM jobs j WHERE 1 <> (SELECT count(*) FROM events e
          WHERE e.job = j.id AND e.what IN ('done', 'failed', 'cancelled')) AND \(others)
        """, "0"
      ),
      // A done job has all of its pictures; another may have some.
      (
        """
        SELECT count(*) FROM jobs j JOIN (SELECT job, count(*) AS pictures FROM images GROUP BY job) i ON i.job = j.id
        WHERE iif(j.state = 'done', i.pictures <> j.count, i.pictures > j.count) AND \(others)
        """, "0"
      ),
      (
        "SELECT count(*) FROM jobs j WHERE state = 'done' AND id NOT IN (SELECT job FROM images) AND \(others)",
        "0"
      ),
      // A batch is whole.
      (
        """
        SELECT count(*) FROM batches b WHERE b.last_job - b.first_job + 1
          <> (SELECT count(*) FROM jobs j WHERE j.batch = b.id)
        """, "0"
      ),
      ("SELECT count(*) FROM checkpoints", "0"), ("SELECT count(*) FROM queue", "1"),
      (
        """
        SELECT count(*) FROM batches b WHERE queued + running <> 0
          OR done <> (SELECT count(*) FROM jobs j WHERE j.batch = b.id AND j.state = 'done')
        """, "0"
      ),
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
}
