/// What a store says of itself, for somebody who looks for faults.
package struct QueueFacts: Sendable, Equatable {
  /// Of a database in a file.
  package struct File: Sendable, Equatable {
    /// `wal` unless somebody has put a backup back and no daemon has started since.
    package var journalMode: String
    /// What SQLite finds wrong with the file; empty if nothing, nil if it was too large to be looked through.
    package var faults: [String]?
  }

  /// Of a database on a server.
  package struct Server: Sendable, Equatable {
    /// Its version, in its own words.
    package var version: String
    /// Whether the connection is encrypted; nil: it goes over no network.
    package var isEncrypted: Bool?
    /// Whether this user may change the queue.
    package var mayChange: Bool
    /// Seconds of the oldest transaction that is open and does nothing; nil: there is none.
    package var idleTransaction: Double?

    /// What a store found out.
    package init(version: String, isEncrypted: Bool?, mayChange: Bool, idleTransaction: Double?) {
      self.version = version
      self.isEncrypted = isEncrypted
      self.mayChange = mayChange
      self.idleTransaction = idleTransaction
    }
  }

  /// Where the database is.
  package enum Place: Sendable, Equatable {
    case file(File)
    case server(Server)
  }

  /// The number of its schema.
  package var schema: Int
  /// Bytes of the database without its log.
  package var bytes: Int64
  package var place: Place

  /// What a store found out.
  package init(schema: Int, bytes: Int64, place: Place) {
    self.schema = schema
    self.bytes = bytes
    self.place = place
  }
}
