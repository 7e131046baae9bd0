import GRDB

/// What the queue knows about a model: a row of the table `models`.
package struct ModelRecord: Sendable, Equatable {
  /// What requests say: a name or an absolute path.
  package var name: String
  /// Folder or `.safetensors` file.
  package var path: String?
  /// "sd", "segmoe", …
  package var kind: String?
  /// SHA-256 over its files, hexadecimal.
  package var digest: String?
  /// On disk.
  package var bytes: Int64?
  /// In words, e.g. "4x2, layers all".
  package var description: String?
  package var loadedAt: Milliseconds?
  /// In a row.
  package var loadFailures = 0
  package var loadError: String?
  /// Its jobs wait until then.
  package var heldUntil: Milliseconds?

  package init(
    name: String, path: String? = nil, kind: String? = nil, digest: String? = nil, bytes: Int64? = nil,
    description: String? = nil
  ) {
    self.name = name
    self.path = path
    self.kind = kind
    self.digest = digest
    self.bytes = bytes
    self.description = description
  }

  /// - Throws: `JobStoreError.damagedRow`
  init(row: Row) throws {
    let reader = RowReader(row: row, table: "models")
    name = try reader.value("name")
    path = try reader.optional("path")
    kind = try reader.optional("kind")
    digest = try reader.optional("digest")
    bytes = try reader.optional("bytes")
    description = try reader.optional("description")
    loadedAt = try reader.optional("loaded_at")
    loadFailures = try reader.value("load_failures")
    loadError = try reader.optional("load_error")
    heldUntil = try reader.optional("held_until")
  }
}

extension JobStore {
  /// This many load failures of a model in a row hold its jobs.
  package static let loadFailureLimit = 3

  /// The first hold; it doubles with every failure after that.
  package static let firstHold: Milliseconds = 60_000

  /// The longest hold.
  package static let longestHold: Milliseconds = 3_600_000

  /// Makes a model known, or renews what is known about it.
  /// - Parameter loaded: It has just been loaded: this ends its failures and its hold.
  package func register(_ model: ModelRecord, loaded: Bool) throws {
    try write { db, now in
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
      let held = try Milliseconds.fetchOne(
        db, sql: "SELECT held_until FROM models WHERE name = ?", arguments: [model.name])
      if held != nil { try release(model: model.name, db, now) }
      try db.execute(
        sql: "UPDATE models SET loaded_at = ?, load_failures = 0, load_error = NULL WHERE name = ?",
        arguments: [now, model.name])
    }
  }

  /// All known models by name.
  package func models() throws -> [ModelRecord] {
    try read { db in
      try Row.fetchAll(db, sql: "SELECT * FROM models ORDER BY name").map(ModelRecord.init(row:))
    }
  }

  /// The circuit breaker: several failures in a row hold all jobs of the model, longer every time, instead
  /// of burning their attempts one by one.
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
    try db.execute(sql: "UPDATE models SET held_until = ? WHERE name = ?", arguments: [until, model])
    try db.execute(
      sql: """
        UPDATE jobs SET held = held | \(Hold.model.rawValue)
        WHERE model = ? AND state IN ('queued', 'running')
        """, arguments: [model])
    try db.record(
      Event(.modelHeld, at: now, detail: "\(model) for \((until - now) / 1000) s: \(message)"))
  }

  /// Lets the jobs of a held model go. The count of failures stays: one more and it is held again, longer.
  func release(model: String, _ db: Database, _ now: Milliseconds) throws {
    try db.execute(sql: "UPDATE models SET held_until = NULL WHERE name = ?", arguments: [model])
    try db.execute(
      sql:
        "UPDATE jobs SET held = held & ~\(Hold.model.rawValue) WHERE model = ? AND held & \(Hold.model.rawValue)",
      arguments: [model])
    try db.record(Event(.modelReleased, at: now, detail: model))
  }
}
