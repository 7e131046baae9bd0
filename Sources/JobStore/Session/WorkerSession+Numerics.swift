import GRDB

/// Jobs that wait for a worker of a class of numerics: the class of their resume state, for a while, or that of their
/// batch, if it is to be rendered in one.
extension WorkerSession {
  /// Seconds that a job with a resume state waits for a worker of its class, unless a daemon is told otherwise.
  package static let usualNumericsPatience = 120.0

  /// Lets jobs go that have waited long enough, or whose class no worker has any more: they start anew. After an upgrade
  /// the old class is nobody's, so that nothing waits for it.
  func releaseNumerics(after patience: Double, _ db: Database, _ now: Milliseconds) throws {
    try db.cachedStatement(
      sql: """
        UPDATE jobs INDEXED BY jobs_of_class SET numerics = NULL, numerics_since = NULL
        WHERE state = 'queued' AND numerics_since IS NOT NULL AND (
          -- In the future: the clock was set back.
          numerics_since NOT BETWEEN :overdue AND :soon
          OR NOT EXISTS (SELECT 1 FROM workers w WHERE w.numerics = jobs.numerics))
        """
    ).execute(arguments: ["overdue": now - patience.asMilliseconds + 1, "soon": now + 1000])
  }

  /// Pins a batch that is to be rendered in one class to this worker's, if this is the first of its jobs that begins.
  func pinNumerics(ofBatch batch: Int64, _ db: Database) throws {
    guard let numerics = record.numerics else { return }
    try db.cachedStatement(
      sql: "UPDATE batches SET numerics = ? WHERE id = ? AND same_numerics AND numerics IS NULL"
    ).execute(arguments: [numerics, batch])
    guard db.changesCount > 0 else { return }
    // Whatever makes a job wait is in its own row.
    try db.execute(
      sql: "UPDATE jobs SET numerics = ?, numerics_since = NULL WHERE batch = ? AND state = 'queued'",
      arguments: [numerics, batch])
  }
}
