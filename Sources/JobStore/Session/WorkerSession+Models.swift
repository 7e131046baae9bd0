import GRDB

extension WorkerSession {
  /// Length of the longest hold. A model is held by a person, in `models.held_until`.
  package static let longestHold: Milliseconds = 3_600_000

  /// Makes a model known, or renews what is known about it.
  /// - Parameters:
  ///   - model: what is known about it.
  ///   - loaded: It has just been loaded: this ends its hold, and this worker lacks it no more.
  ///   - files: what was loaded with it (LoRAs, a VAE, learned words), by its names in jobs: not lacked any more either.
  package func register(_ model: ModelRecord, loaded: Bool, with files: [String] = []) throws {
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
      for name in [model.name] + files {
        try db.cachedStatement(sql: "DELETE FROM lacking_models WHERE worker = ? AND model = ?")
          .execute(arguments: [self.name, name])
      }
      let held = try Milliseconds.fetchOne(
        db, sql: "SELECT held_until FROM models WHERE name = ?", arguments: [model.name])
      if held != nil { try db.release(model: model.name, at: now) }
      try db.execute(
        sql: "UPDATE models SET loaded_at = ?, load_failures = 0, load_error = NULL WHERE name = ?",
        arguments: [now, model.name])
    }
  }
}
