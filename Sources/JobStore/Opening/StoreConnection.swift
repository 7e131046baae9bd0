import Foundation
import GRDB

/// The one connection of a store, which knows when it is closed.
///
/// SQLite's library must not be asked anything about a connection that is closed; threads that come late
/// (one that wrote numbers while the daemon ended) get an error here instead of ending the process.
final class StoreConnection: Sendable {
  private let queue: DatabaseQueue
  private let path: String
  /// Held for the whole of a call: one that began before `close` is over when that returns.
  private let lock = NSLock()
  /// Guarded by `lock`.
  private nonisolated(unsafe) var isClosed = false

  init(_ queue: DatabaseQueue, path: String) {
    self.queue = queue
    self.path = path
  }

  /// One consistent view.
  /// - Throws: `JobStoreError.closed`, as all of these.
  func read<Value>(_ body: (Database) throws -> Value) throws -> Value {
    try opened { try queue.read(body) }
  }

  /// One `BEGIN IMMEDIATE` transaction.
  func write<Value>(_ body: (Database) throws -> Value) throws -> Value {
    try opened { try queue.write(body) }
  }

  /// For statements that are no transaction, or make their own.
  func writeWithoutTransaction<Value>(_ body: (Database) throws -> Value) throws -> Value {
    try opened { try queue.writeWithoutTransaction(body) }
  }

  /// Waits for the call at work and closes. Again is no error.
  func close() throws {
    try lock.withLock {
      guard !isClosed else { return }
      try queue.close()
      isClosed = true
    }
  }

  private func opened<Value>(_ body: () throws -> Value) throws -> Value {
    try lock.withLock {
      guard !isClosed else { throw JobStoreError.closed(path: path) }
      return try body()
    }
  }
}
