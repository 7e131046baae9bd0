import GRDB

/// How far the index of prompts is: the one row of `prompt_index`.
///
/// The index is a virtual table of FTS5 with every three letters in a row of every prompt, in the rows of the jobs'
/// numbers. It holds no texts, and no places in them. So it only says which prompts may have a text; `jobs` has the
/// last word.
struct PromptIndex: Equatable {
  /// The number in the virtual table's name.
  var number: Int64
  /// Jobs from 1 to this one are in the index, but for those in `unindexed_prompts`.
  var upTo: Int64
  /// How many prompts were put in.
  var texts: Int64

  /// The largest number of a virtual table.
  private static let last: Int64 = 999_999_999

  private init(number: Int64) {
    self.number = number
    (upTo, texts) = (0, 0)
  }

  /// nil if there is none, or the row is no program's.
  init?(_ db: Database) throws {
    guard let row = try Row.fetchOne(db, sql: "SELECT number, up_to, texts FROM prompt_index WHERE id = 1")
    else { return nil }
    let reader = RowReader(row: row, table: "prompt_index")
    number = try reader.value("number")
    upTo = try reader.value("up_to")
    texts = try reader.value("texts")
    let sql = try String.fetchOne(
      db, sql: "SELECT sql FROM sqlite_schema WHERE type = 'table' AND name = ?", arguments: [table])
    guard (1...Self.last).contains(number), upTo >= 0, texts >= 0, sql == definition else { return nil }
  }

  /// The virtual table's name.
  var table: String { Self.prefix + "\(number)" }

  /// How the names of all such tables begin.
  static let prefix = "prompt_texts_"

  /// The virtual table. Nothing is kept but which prompt has which three letters.
  private var definition: String {
    "CREATE VIRTUAL TABLE \(table) USING fts5(prompt, content='', tokenize='trigram', detail=none, columnsize=0)"
  }

  /// Prompts longer than this many bytes are not worth their place in the index.
  static let longest = 1 << 16

  /// Prompts of so many bytes are a piece of work, however few they are: others wait for the queue's lock meanwhile.
  private static let bytesAtOnce = 100_000

  /// Three signs that are in no prompt. Each piece of work leaves them in a row of its own, −`upTo`.
  private static let mark = "\u{E5E6}\u{E6E0}\u{E5E6}"

  /// Whether the last piece of work is in the index. Of a damaged one, SQLite may read less than there was, without a
  /// word.
  func hasLast(_ db: Database) throws -> Bool {
    try Bool.fetchOne(
      db, sql: "SELECT count(*) FROM \(table) WHERE \(table) MATCH ? AND rowid = ?",
      arguments: ["\"\(Self.mark)\"", -upTo]) ?? false
  }

  /// Writes the row.
  func write(_ db: Database) throws {
    try db.execute(
      sql: "INSERT OR REPLACE INTO prompt_index (id, number, up_to, texts) VALUES (1, ?, ?, ?)",
      arguments: [number, upTo, texts])
  }

  /// An empty index in the place of any other.
  static func anew(_ db: Database) throws -> PromptIndex {
    let tables = try String.fetchAll(
      db,
      sql: """
        SELECT name FROM sqlite_schema
        WHERE type = 'table' AND name GLOB '\(prefix)[0-9]*' AND sql LIKE 'CREATE VIRTUAL TABLE %'
        """)
    for table in tables {
      // A damaged one may refuse to go. Then it stays, and nobody uses it.
      try? db.execute(sql: "DROP TABLE \(table.quotedDatabaseIdentifier)")
    }
    let before = try Int64.fetchOne(db, sql: "SELECT number FROM prompt_index WHERE id = 1") ?? 0
    var index = PromptIndex(number: (1..<last).contains(before) ? before + 1 : 1)
    // Whatever has such a name is somebody's, or would not go.
    while try db.tableExists(index.table), index.number < last { index.number += 1 }
    try db.execute(sql: index.definition)
    try db.execute(sql: "DELETE FROM unindexed_prompts")
    try index.write(db)
    return index
  }

  /// Takes in the prompts of the next jobs.
  /// - Parameter count: how many at most; long prompts are fewer.
  /// - Returns: how many there were.
  mutating func take(atMost count: Int, _ db: Database) throws -> Int {
    let (end, jobs) = try next(atMost: count, db)
    guard jobs > 0 else { return 0 }
    // SQLite's functions on texts stop at a zero byte, FTS5 may or may not.
    let isPlain = "length(CAST(prompt AS BLOB)) <= \(Self.longest) AND instr(prompt, char(0)) = 0"
    try db.execute(
      sql: """
        INSERT INTO \(table) (rowid, prompt)
        SELECT id, prompt FROM jobs WHERE id > ? AND id <= ? AND \(isPlain) ORDER BY id
        """, arguments: [upTo, end])
    try db.execute(
      sql: """
        INSERT OR IGNORE INTO unindexed_prompts (job)
        SELECT id FROM jobs WHERE id > ? AND id <= ? AND NOT (\(isPlain))
        """, arguments: [upTo, end])
    try db.execute(
      sql: "INSERT INTO \(table) (rowid, prompt) VALUES (?, ?)", arguments: [-end, Self.mark])
    (upTo, texts) = (end, texts + Int64(jobs))
    try write(db)
    return jobs
  }

  /// The next piece of work: one job at least, if there is one.
  /// - Returns: the last job of it, and how many it has.
  private func next(atMost count: Int, _ db: Database) throws -> (end: Int64, jobs: Int) {
    let rows = try Row.fetchCursor(
      db,
      sql: "SELECT id, length(CAST(prompt AS BLOB)) AS bytes FROM jobs WHERE id > ? ORDER BY id LIMIT ?",
      arguments: [upTo, count])
    var (end, jobs, bytes) = (upTo, 0, 0)
    while bytes < Self.bytesAtOnce, let row = try rows.next() {
      let reader = RowReader(row: row, table: "jobs")
      end = try reader.value("id")
      bytes += try reader.value("bytes", as: Int.self)
      jobs += 1
    }
    return (end, jobs)
  }
}
