import JobStore
import Requests
import TestSupport
import Testing

/// What must be so whenever a queue on a server has come to rest, whatever happened to it before.
enum ServerAccount {
  /// Compares rows, files and counts.
  /// - Parameters:
  ///   - round: which is over.
  ///   - reference: of the pictures.
  ///   - run: how to repeat it.
  /// - Returns: the jobs by state, and the number of pictures.
  static func expectInOrder(
    _ round: ServerKillRound, reference: PictureReference, _ run: Comment
  ) throws -> (counts: StateCounts, pictures: Int) {
    let house = round.house
    for fact in facts(round) {
      let found = try PostgresServer.sql(at: house.address, fact.sql).joined(separator: "\n")
      try #require(found == fact.wanted, "\(fact.sql); \(run)")
    }
    for jobs in round.accepted {
      var filter = JobFilter()
      filter.jobs = Array(jobs)
      let found = try house.client.list(filter)
      try #require(
        found.count == jobs.count && !found.contains { $0.state.isOpen },
        "of the accepted jobs \(jobs) there are \(found.map(\.state)); \(run)")
    }
    let pictures = try house.client.list(JobFilter()).flatMap { summary in
      let details = try house.client.details(job: summary.id)
      return details.images.map { (image: $0, request: details.job.request.render) }
    }
    try QueueAccount.expectPictures(pictures, below: house.output, reference: reference, run)
    return (try house.client.status().counts, pictures.count)
  }

  private static func facts(_ round: ServerKillRound) -> [(sql: String, wanted: String)] {
    [
      ("SELECT count(*) FROM jobs WHERE outcome IS NULL", "0"),
      (
        """
        SELECT (SELECT count(*) FROM due) + (SELECT count(*) FROM waiting) + (SELECT count(*) FROM leases)
          + (SELECT count(*) FROM progress) + (SELECT count(*) FROM checkpoints)
        """, "0"
      ),
      // Each job ends once.
      (
        """
        SELECT count(*) FROM jobs j WHERE 1 <> (SELECT count(*) FROM events e
          WHERE e.job = j.id AND e.what IN ('done', 'failed', 'cancelled'))
        """, "0"
      ),
      ("SELECT count(*) FROM jobs WHERE attempts > max_attempts OR losses > 3", "0"),
      // A done job has all of its pictures; another may have some.
      (
        """
        SELECT count(*) FROM jobs j WHERE (SELECT count(*) FROM images i WHERE i.job = j.id)
          NOT BETWEEN CASE WHEN outcome = 'done' THEN count ELSE 0 END AND count
        """, "0"
      ),
      // A batch is whole, and there is one for each enqueue that was asked for, however often.
      (
        """
        SELECT count(*) FROM batches b WHERE b.last_job - b.first_job + 1
          <> (SELECT count(*) FROM jobs j WHERE j.batch = b.id AND j.id BETWEEN b.first_job AND b.last_job)
        """, "0"
      ),
      ("SELECT count(*) FROM batches WHERE key IS NOT NULL", "\(round.enqueues.keyed)"),
      ("SELECT count(*) FROM batches WHERE key IS NULL", "\(round.enqueues.plain)"),
      (
        "SELECT count(*) FROM events WHERE what = 'enqueued'",
        "\(round.enqueues.keyed + round.enqueues.plain)"
      ),
      (
        """
        SELECT count(*) FROM batches b JOIN batch_counts c ON c.batch = b.id WHERE c.queued + c.running <> 0
          OR c.done <> (SELECT count(*) FROM jobs j WHERE j.batch = b.id AND j.outcome = 'done')
          OR c.failed <> (SELECT count(*) FROM jobs j WHERE j.batch = b.id AND j.outcome = 'failed')
          OR c.cancelled <> (SELECT count(*) FROM jobs j WHERE j.batch = b.id AND j.outcome = 'cancelled')
        """, "0"
      ),
      (
        """
        SELECT c.queued, c.running, c.done + c.failed + c.cancelled = (SELECT count(*) FROM jobs)
        FROM batch_counts c WHERE c.batch = 0
        """, "0|0|t"
      ),
    ]
  }
}
