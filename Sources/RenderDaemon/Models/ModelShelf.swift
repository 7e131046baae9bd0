import Synchronization

/// The pool of models, shared by the loops of a worker. One at a time looks for its model there.
final class ModelShelf: Sendable {
  private let pool: Turn<ModelPool>
  /// As of the last time that somebody had the pool: where things are can be asked while a model is loaded.
  private let places: Mutex<ModelLocator>

  init(_ pool: ModelPool) {
    places = Mutex(pool.locator)
    self.pool = Turn(pool)
  }

  /// Where models are found.
  var locator: ModelLocator { places.withLock { $0 } }

  /// Waits for the pool, and runs `body` with it.
  /// - Returns: nil if the daemon stops.
  func take<Result>(_ body: (inout ModelPool) throws -> Result) rethrows -> Result? {
    try pool.take { pool in
      defer { places.withLock { $0 = pool.locator } }
      return try body(&pool)
    }
  }

  /// Keeps everybody waiting no longer: the daemon stops.
  func close() { pool.close() }
}
