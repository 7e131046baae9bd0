import GRDB

extension Database {
  /// The condition in SQL that no daemon of the class of numerics of a row of `batches` has not stopped: as after an
  /// upgrade, which makes another class.
  static func isNobodysClass(_ table: String) -> String {
    "NOT EXISTS (SELECT 1 FROM workers w WHERE w.numerics = \(table).numerics AND w.state <> 'stopped')"
  }

  /// How many jobs of a batch wait for a class of numerics that the batch is pinned to and that no daemon is of.
  func strandedJobs(ofBatch batch: Int64) throws -> Int {
    try Int.fetchOne(
      self,
      sql: """
        SELECT count(*) FROM jobs j JOIN batches b ON b.id = j.batch
        WHERE j.batch = ? AND j.state = 'queued' AND j.numerics = b.numerics AND \(Self.isNobodysClass("b"))
        """, arguments: [batch]) ?? 0
  }

  /// Lets the jobs of a batch go whose class no daemon is of. The next of them that begins pins the others anew.
  func unpinStranded(batch: Int64, at now: Milliseconds) throws {
    let numerics = try String.fetchOne(
      self, sql: "SELECT numerics FROM batches WHERE id = ? AND \(Self.isNobodysClass("batches"))",
      arguments: [batch])
    guard let numerics else { return }
    try execute(sql: "UPDATE batches SET numerics = NULL WHERE id = ?", arguments: [batch])
    try execute(
      sql: "UPDATE jobs SET numerics = NULL WHERE batch = ? AND state = 'queued' AND numerics = ?",
      arguments: [batch, numerics])
    try record(
      Event(.retried, at: now, batch: batch, detail: "no daemon is of \(numerics): its jobs wait no longer"))
  }
}
