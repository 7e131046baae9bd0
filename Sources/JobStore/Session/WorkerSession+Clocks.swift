import Foundation
import GRDB

extension WorkerSession {
  /// Extends expired leases if this process had to wait long for the write lock, because then other workers could not
  /// renew their leases either. Waits of all its threads count. A new session has not seen how long the lock was
  /// held.
  func forgiveLateLeases(_ db: Database, _ now: Milliseconds) throws {
    let isYoung = ContinuousClock.now - began < .seconds(leaseSeconds)
    let limit = isYoung ? min(0.25, leaseSeconds / 4) : leaseSeconds / 4
    if database.longestWait >= .seconds(limit) { try extendLeases(db, now) }
  }

  /// Corrects pauses after the clock was set back. The end of a pause is a time of the wall clock. If a pause was set
  /// in what is now the future, it gets its full length from now. No hold lasts longer than `longestHold`.
  func countPausesAnew(_ db: Database, _ now: Milliseconds) throws {
    let values: StatementArguments = [
      "now": now, "soon": now + 1000, "longest": Self.longestHold, "day": 86_400_000,
      "years": 315_360_000_000,
    ]
    try db.cachedStatement(
      sql: """
        UPDATE jobs INDEXED BY jobs_wait_set 
        SET run_after = :now + CAST(max(0, min(:years, 1.0 * run_after - wait_set_at)) AS INTEGER), wait_set_at = :now
        WHERE state = 'queued' AND run_after IS NOT NULL AND wait_set_at > :soon
        """
    ).execute(arguments: values)
    try db.cachedStatement(
      sql: """
        UPDATE models INDEXED BY models_held
        SET held_at = :now, held_until = :now
          + CAST(max(0, min(:longest, 1.0 * held_until - max(:now, ifnull(held_at, :now)))) AS INTEGER)
        WHERE held_until IS NOT NULL AND (held_at > :soon OR held_until > :now + :longest)
        """
    ).execute(arguments: values)
    try db.cachedStatement(
      sql: """
        UPDATE jobs INDEXED BY jobs_leased 
        SET lease_expires = :now + CAST(max(0, min(:day, 1.0 * lease_expires - lease_set_at)) AS INTEGER),
          lease_set_at = :now
        WHERE state = 'running' AND (lease_set_at > :soon OR 1.0 * lease_expires - lease_set_at > :day)
        """
    ).execute(arguments: values)
  }
}
