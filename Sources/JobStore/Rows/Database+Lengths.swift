import GRDB
import GRDBSQLite

/// Lengths of a row's values, checked before any of them is read. A value of a gigabyte must not end the daemon.
extension Database {
  /// The longest text in a job that is read, in characters.
  static let longestText = 1 << 20

  /// Columns of `jobs` that hold text, and what replaces a text that is too long.
  private static let texts = [
    ("prompt", "''"), ("negative_prompt", "NULL"), ("model", "'?'"), ("loras", "'[]'"),
    ("embeddings", "'[]'"),
    ("vae", "NULL"), ("init_image", "NULL"), ("mask", "NULL"), ("scheduler", "NULL"),
    ("original_size", "NULL"),
    ("sigmas", "NULL"), ("timesteps", "NULL"), ("sigma_list", "NULL"), ("deep_cache", "NULL"),
    ("token_merging", "NULL"),
    ("crop", "NULL"), ("target_size", "NULL"), ("error", "NULL"), ("model_digest", "NULL"),
    ("lease_owner", "'?'"), ("numerics", "NULL"),
  ]

  /// - Throws: `JobStoreError.damagedRow` for the first text that is too long.
  func checkLengths(ofJob id: Int64) throws {
    let lengths = Self.texts.map { "ifnull(length(\($0.0)), 0)" }.joined(separator: ", ")
    let longest = try Int.fetchOne(
      cachedStatement(sql: "SELECT max(\(lengths)) FROM jobs WHERE id = ?"), arguments: [id])
    guard (longest ?? 0) > Self.longestText else { return }
    for (column, _) in Self.texts {
      let length =
        try Int.fetchOne(self, sql: "SELECT length(\(column)) FROM jobs WHERE id = ?", arguments: [id]) ?? 0
      guard length <= Self.longestText else {
        throw JobStoreError.damagedRow(table: "jobs", column: column, value: "\(length) characters")
      }
    }
  }

  /// Removes texts that are so long that the row cannot be changed.
  func clearLongTexts(ofJob id: Int64) throws {
    var changes: [String] = []
    for (column, empty) in Self.texts {
      do {
        let length =
          try Int.fetchOne(self, sql: "SELECT length(\(column)) FROM jobs WHERE id = ?", arguments: [id]) ?? 0
        if length > Self.longestText { changes.append("\(column) = \(empty)") }
      } catch let error as DatabaseError where error.resultCode == .SQLITE_TOOBIG {
        changes.append("\(column) = \(empty)")
      }
    }
    guard !changes.isEmpty else { return }
    // An index contains the model's name, and must read it once more to remove it.
    let limit = sqlite3_limit(sqliteConnection, SQLITE_LIMIT_LENGTH, .max)
    defer { _ = sqlite3_limit(sqliteConnection, SQLITE_LIMIT_LENGTH, limit) }
    try execute(sql: "UPDATE jobs SET \(changes.joined(separator: ", ")) WHERE id = ?", arguments: [id])
  }
}
