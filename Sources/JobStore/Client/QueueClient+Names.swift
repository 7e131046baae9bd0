import GRDB

extension QueueClient {
  /// The number of a batch that somebody names: by its number, its name, or the beginning of its name.
  /// - Throws: `JobStoreError.notFound`, `.ambiguous`
  package func batchNumber(_ text: String) throws -> Int64 {
    try database.read { db in try db.batchNumber(text) }
  }
}

extension Database {
  /// The number of a batch that somebody names, within the running transaction.
  /// - Throws: `JobStoreError.notFound`, `.ambiguous`
  func batchNumber(_ text: String) throws -> Int64 {
    // A number first, since every batch has one; a batch may be called "7" all the same.
    if let number = Int64(text),
      try Row.fetchOne(self, sql: "SELECT 1 FROM batches WHERE id = ?", arguments: [number]) != nil
    {
      return number
    }
    for condition in ["name = ?1", "substr(name, 1, length(?1)) = ?1"] {
      let found = try Int64.fetchAll(
        self, sql: "SELECT id FROM batches WHERE \(condition) ORDER BY id DESC LIMIT 6", arguments: [text])
      if found.count > 1 { throw JobStoreError.ambiguous(thing: "batch", name: text, numbers: found) }
      if let only = found.first { return only }
    }
    throw JobStoreError.notFound(thing: "batch", id: text)
  }
}
