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

  /// Says which models are in this worker's folders, in place of what it said before. It is not durable, since it is said
  /// again at every start. If another daemon of this name has signed on since, nothing happens.
  /// - Parameters:
  ///   - found: the models, each name once, with what is known of them.
  ///   - areAll: whether it takes no others. A daemon without model folders takes models from anywhere.
  package func declare(_ found: [ModelRecord], areAll: Bool = true) throws {
    try database.writeLightly(waiting: 2) { db, now in
      try db.execute(
        sql: "UPDATE workers SET models_seen_at = ? WHERE name = ? AND started_at = ?",
        arguments: [areAll ? now : nil, name, record.startedAt])
      guard db.changesCount > 0 else { return }
      let names = Set(found.map(\.name))
      let before = try String.fetchAll(
        db, sql: "SELECT model FROM found_models WHERE worker = ?", arguments: [name])
      for gone in before where !names.contains(gone) { try forget(gone, db) }
      for model in found { try note(model, db, now) }
    }
  }

  /// Whether the queue has what `declare` said. Rows that somebody deletes must be written again.
  /// - Parameters:
  ///   - count: of the models that were declared.
  ///   - areAll: as it was declared.
  package func hasDeclared(_ count: Int, areAll: Bool) throws -> Bool {
    try database.read { db in
      try Bool.fetchOne(
        db,
        sql: """
          SELECT EXISTS (SELECT 1 FROM workers
              WHERE name = ?1 AND started_at = ?2 AND (models_seen_at IS NOT NULL) = ?3)
            AND ?4 <= (SELECT count(*) FROM found_models JOIN models ON models.name = model WHERE worker = ?1)
          """, arguments: [name, record.startedAt, areAll, count]) ?? false
    }
  }

  /// Forgets that a model is here. What was never loaded, and is nowhere else, is not known at all then.
  private func forget(_ model: String, _ db: Database) throws {
    try db.cachedStatement(sql: "DELETE FROM found_models WHERE worker = ? AND model = ?")
      .execute(arguments: [name, model])
    try db.cachedStatement(
      sql: """
        DELETE FROM models WHERE name = ?1 AND loaded_at IS NULL AND held_until IS NULL
          AND NOT EXISTS (SELECT 1 FROM found_models WHERE model = ?1)
        """
    ).execute(arguments: [model])
  }

  /// Notes that a model is here. Rows that say so already are not written again: of a thousand models one may change at
  /// every look, while it is copied.
  private func note(_ model: ModelRecord, _ db: Database, _ now: Milliseconds) throws {
    // Files of another size are not those of the digest.
    try db.cachedStatement(
      sql: """
        INSERT INTO models (name, path, kind, bytes, description, registered_at) VALUES (?, ?, ?, ?, ?, ?)
        ON CONFLICT DO UPDATE SET path = excluded.path, kind = coalesce(excluded.kind, kind),
          digest = iif(ifnull(bytes, excluded.bytes) IS excluded.bytes, digest, NULL), bytes = excluded.bytes,
          description = coalesce(excluded.description, description)
        WHERE path IS NOT excluded.path OR bytes IS NOT excluded.bytes
          OR kind IS NOT coalesce(excluded.kind, kind)
          OR description IS NOT coalesce(excluded.description, description)
        """
    ).execute(arguments: [model.name, model.path, model.kind, model.bytes, model.description, now])
    try db.cachedStatement(
      sql: """
        INSERT INTO found_models (worker, model, fault) VALUES (?, ?, ?)
        ON CONFLICT DO UPDATE SET fault = excluded.fault WHERE fault IS NOT excluded.fault
        """
    ).execute(arguments: [name, model.name, model.fault])
  }
}
