import JobStore

/// A queue on a server that is moved, or moved to.
package struct MovableServer: MovableQueue {
  private let address: ServerAddress
  private let makes: Bool

  /// - Parameters:
  ///   - address: of the database.
  ///   - makes: whether the tables are made if they are not there.
  package init(_ address: ServerAddress, makes: Bool) {
    self.address = address
    self.makes = makes
  }

  package var place: String { address.description }

  /// Runs `body` in one durable transaction, in which nobody else changes the queue.
  package func hold<Value>(_ body: (any HeldQueue) throws -> Value) throws -> Value {
    let database = try open(makes ? .creating : .changing)
    defer { database.connection.close() }
    return try database.connection.transaction { link in
      // As long as one waits for a file; and a client that stops in the middle must not keep the locks.
      try link.run(
        script: "SET LOCAL lock_timeout = '30s'; SET LOCAL idle_in_transaction_session_timeout = '10min'")
      // A claim and an enqueue read this first, and so wait until the queue is here or there.
      try link.run(script: "LOCK TABLE queue IN ACCESS EXCLUSIVE MODE")
      try link.run(script: "LOCK TABLE \(Self.tables) IN SHARE ROW EXCLUSIVE MODE")
      return try body(HeldServer(link: link))
    }
  }

  /// Those that anything but upkeep writes.
  private static let tables = """
    batches, jobs, due, waiting, leases, progress, checkpoints, images, former_images, workers, events, counts, tally,
    fetchers, sources, job_sources
    """

  /// Runs `body` on one consistent view.
  package func look<Value>(_ body: (any HeldQueue) throws -> Value) throws -> Value {
    let database = try open(.reading)
    defer { database.connection.close() }
    return try database.connection.transaction { link in
      try link.run(script: "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
      return try body(HeldServer(link: link))
    }
  }

  private func open(_ purpose: QueueDatabase.Purpose) throws -> PostgresDatabase {
    try PostgresDatabase.open(address, role: .client, for: purpose, evenMoved: true)
  }
}
