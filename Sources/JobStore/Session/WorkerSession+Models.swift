import GRDB

extension WorkerSession {
  /// After this many load failures in a row, a model's jobs are held.
  package static let loadFailureLimit = 3

  /// Length of the first hold. It doubles with every further failure.
  package static let firstHold: Milliseconds = 60_000

  /// Length of the longest hold.
  package static let longestHold: Milliseconds = 3_600_000

  /// Makes a model known, or renews what is known about it.
  /// - Parameters:
  ///   - model: what is known about it.
  ///   - loaded: It has just been loaded: this ends its failures and its hold.
  package func register(_ model: ModelRecord, loaded: Bool) throws {
    try database.write { db, now in
      try db.execute(
        sql: """
          INSERT INTO models (name, path, kind, digest, bytes, description, registered_at)
          VALUES (?, ?, ?, ?, ?, ?, ?)
          ON CONFLICT DO UPDATE SET path = coalesce(excluded.path, path), kind = coalesce(excluded.kind, kind),
            digest = coalesce(excluded.digest, digest), bytes = coalesce(excluded.bytes, bytes),
            description = coalesce(excluded.description, description)
          """,
        arguments: [
          model.name, model.path, model.kind, model.digest, model.bytes, model.description, now,
        ])
      guard loaded else { return }
      try db.execute(
        sql: "DELETE FROM lacking_models WHERE worker = ? AND model = ?", arguments: [name, model.name])
      let held = try Milliseconds.fetchOne(
        db, sql: "SELECT held_until FROM models WHERE name = ?", arguments: [model.name])
      if held != nil { try db.release(model: model.name, at: now) }
      try db.execute(
        sql: "UPDATE models SET loaded_at = ?, load_failures = 0, load_error = NULL WHERE name = ?",
        arguments: [now, model.name])
    }
  }

  /// The circuit breaker: after several failures in a row, all jobs of the model are held, for longer each time.
  /// Otherwise each job would use up its attempts.
  func countLoadFailure(of model: String, _ message: String, _ db: Database, _ now: Milliseconds) throws {
    try db.execute(
      sql: """
        INSERT INTO models (name, registered_at, load_failures, load_error) VALUES (?, ?, 1, ?)
        ON CONFLICT DO UPDATE SET load_failures = min(load_failures, 1000) + 1, load_error = excluded.load_error
        """, arguments: [model, now, message])
    let failures =
      try Int.fetchOne(db, sql: "SELECT load_failures FROM models WHERE name = ?", arguments: [model]) ?? 0
    guard failures >= Self.loadFailureLimit else { return }
    let doublings = Milliseconds(min(failures - Self.loadFailureLimit, 20))
    let until = now + min(Self.firstHold << doublings, Self.longestHold)
    try db.execute(
      sql: "UPDATE models SET held_until = ?, held_at = ? WHERE name = ?", arguments: [until, now, model])
    try db.execute(
      sql: """
        UPDATE jobs SET held = held | \(Hold.model.rawValue)
        WHERE model = ? AND state IN ('queued', 'running')
        """, arguments: [model])
    try db.record(
      Event(.modelHeld, at: now, detail: "\(model) for \((until - now) / 1000) s: \(message)"))
  }
}
