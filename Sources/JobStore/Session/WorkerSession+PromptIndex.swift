import GRDB

/// The index of prompts, which a daemon keeps beside its work. Nothing but the speed of searches depends on it.
extension WorkerSession {
  /// How many jobs the index may be behind. To read so many prompts takes milliseconds, and small queues need none.
  package static let promptIndexLag: Int64 = 5000

  /// Takes the prompts of some jobs into the index, in one short transaction that a power cut may undo.
  /// - Parameters:
  ///   - count: how many at most; long prompts are fewer.
  ///   - lag: how many jobs the index may be behind.
  /// - Returns: how many it took; 0: there is nothing to do.
  /// - Throws: `JobStoreError.busy` if somebody else writes at the moment; it does not wait.
  package func indexPrompts(atMost count: Int, lag: Int64 = promptIndexLag) throws -> Int {
    let waiting = try database.read { db in
      let known = try PromptIndex(db)
      let last = try Int64.fetchOne(db, sql: "SELECT max(id) FROM jobs") ?? 0
      return last.subtractingReportingOverflow(known?.upTo ?? 0).partialValue >= max(1, lag)
    }
    guard waiting else { return 0 }
    return try database.writeLightly(waiting: 0) { db, _ in
      var index = try PromptIndex(db) ?? PromptIndex.anew(db)
      return try index.take(atMost: max(1, count), db)
    }
  }

  /// Whether the index should be made anew: it is damaged, or most of it is of jobs that are gone or were written
  /// again. It reads the whole index, on a connection of its own.
  package func needsNewPromptIndex() throws -> Bool {
    let beside = try QueueDatabase.another(like: database)
    defer { try? beside.close() }
    return try beside.readOutsideTransaction { db in
      // Only one connection of a process copies the log back.
      try db.execute(sql: "PRAGMA wal_autocheckpoint = 0")
      guard let index = try PromptIndex(db) else {
        return try Bool.fetchOne(db, sql: "SELECT up_to > 0 FROM prompt_index WHERE id = 1") ?? false
      }
      return try Self.isWorn(index, db) || Self.isDamaged(index, db)
    }
  }

  /// Makes an empty index in the place of the one that is there.
  /// - Throws: `JobStoreError.busy` if somebody else writes at the moment; it does not wait.
  package func renewPromptIndex() throws {
    try database.writeLightly(waiting: 0) { db, _ in _ = try PromptIndex.anew(db) }
  }

  /// So many prompts more than needed are not worth a new index.
  private static let wornPrompts: Int64 = 10_000

  private static func isWorn(_ index: PromptIndex, _ db: Database) throws -> Bool {
    let jobs = try Int64.fetchOne(
      db, sql: "SELECT count(*) FROM jobs WHERE id BETWEEN 1 AND ?", arguments: [index.upTo])
    let unindexed = try Int64.fetchOne(db, sql: "SELECT count(*) FROM unindexed_prompts")
    return index.texts / 2 > (jobs ?? 0) + wornPrompts / 2 || (unindexed ?? 0) > wornPrompts
  }

  /// Reads every page of the index.
  private static func isDamaged(_ index: PromptIndex, _ db: Database) throws -> Bool {
    do {
      try db.execute(
        sql: "CREATE VIRTUAL TABLE temp.prompt_words USING fts5vocab('main', '\(index.table)', 'row')")
      // The sum is of no use, but to make it every list is read.
      _ = try Int64.fetchOne(db, sql: "SELECT sum(doc) FROM temp.prompt_words")
      return try index.upTo > 0 && !index.hasLast(db)
    } catch let error as DatabaseError where [.SQLITE_CORRUPT, .SQLITE_ERROR].contains(error.resultCode) {
      return true
    }
  }
}
