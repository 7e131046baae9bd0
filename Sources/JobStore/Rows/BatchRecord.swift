import GRDB

/// A batch with its counts.
package struct BatchRecord: FetchableRecord, Sendable, Equatable {
  package var id: Int64
  package var name: String
  package var key: String?
  package var isPaused: Bool
  /// The folder of the shards that jobs of it are in.
  package var shards: String?
  package var createdAt: Milliseconds
  /// Numbers of its jobs. A purge may have removed some of them.
  package var firstJob: Int64
  package var lastJob: Int64
  package var counts: StateCounts
  /// The batch that it comes after; nil if there is none, or none any more.
  package var after: Int64?
  /// What its jobs wait for: that batch (`batch nightly`), or a daemon of the class of numerics that they are pinned to.
  package var waitsFor: String?

  /// Columns for `init(row:)`.
  static let columns = """
    batches.*,
    CASE
      WHEN \(waits("batches")) THEN 'batch ' || (SELECT p.name FROM batches p WHERE p.id = batches.after)
      WHEN numerics IS NOT NULL AND queued > 0 AND shards IS NULL AND \(Database.isNobodysClass("batches"))
        THEN 'a daemon of ' || numerics
    END AS waits_for
    """

  /// The condition in SQL for a batch whose jobs wait for another batch. They all do, or none does.
  static func waits(_ table: String) -> String {
    """
    ifnull((SELECT held & \(Hold.predecessor.rawValue) FROM jobs WHERE batch = \(table).id AND state = 'queued' LIMIT 1), 0)
    """
  }

  /// - Throws: `JobStoreError.damagedRow`
  package init(row: Row) throws {
    let reader = RowReader(row: row, table: "batches")
    id = try reader.value("id")
    name = try reader.value("name")
    key = try reader.optional("key")
    isPaused = try reader.value("paused")
    shards = try reader.optional("shards")
    createdAt = try reader.value("created_at")
    firstJob = try reader.value("first_job")
    lastJob = try reader.value("last_job")
    counts = try StateCounts(reader)
    after = try reader.optional("after")
    waitsFor = try reader.optional("waits_for")
  }
}

extension StateCounts {
  /// - Throws: `JobStoreError.damagedRow`
  package init(_ reader: RowReader) throws {
    queued = try reader.value("queued")
    running = try reader.value("running")
    done = try reader.value("done")
    failed = try reader.value("failed")
    cancelled = try reader.value("cancelled")
  }
}
