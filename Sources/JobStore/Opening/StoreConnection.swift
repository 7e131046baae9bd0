import Foundation
import GRDB
import Synchronization

/// A connection that can be closed while other threads use it.
///
/// SQLite's functions must not be called for a closed connection. A late thread, such as one that writes metrics
/// while the daemon ends, gets an error here instead of crashing the process.
final class StoreConnection: Sendable {
  /// Guarded by `lock`.
  private nonisolated(unsafe) var queue: DatabaseQueue
  private let path: String
  /// For a file that nobody changed when it was opened: the connection to take once somebody does; nil: nobody does.
  /// Guarded by `lock`.
  private nonisolated(unsafe) var successor: (() throws -> DatabaseQueue?)?
  /// Locked during each call, so that calls which began before `close` are over when it returns.
  private let lock = NSLock()
  /// Guarded by `lock`.
  private nonisolated(unsafe) var isClosed = false
  /// Shared by all connections of this process to the queue.
  let waits: LockWaits
  private let log = Mutex<FilePlace?>(nil)

  /// - Parameters:
  ///   - queue: the connection.
  ///   - path: of the database.
  ///   - waits: of the process.
  ///   - successor: if the file was opened as one that nobody changes: the connection to take once somebody does.
  init(
    _ queue: DatabaseQueue, path: String, waits: LockWaits = LockWaits(),
    successor: (() throws -> DatabaseQueue?)? = nil
  ) {
    self.queue = queue
    self.path = path
    self.waits = waits
    self.successor = successor
  }

  /// Runs `body` on one consistent view.
  /// - Throws: `JobStoreError.closed`, as all of these methods.
  func read<Value>(_ body: (Database) throws -> Value) throws -> Value {
    try opened {
      let before = Result { try queue.read(body) }
      // What was read while the first writer came may be half of it.
      return try wake() ? queue.read(body) : before.get()
    }
  }

  /// Runs `body` in one `BEGIN IMMEDIATE` transaction.
  func write<Value>(_ body: (Database) throws -> Value) throws -> Value {
    try opened {
      let asked = ContinuousClock.now
      do {
        return try queue.write { db in
          waits.got(since: asked)
          return try body(db)
        }
      } catch let error as DatabaseError where error.resultCode == .SQLITE_BUSY {
        waits.refused(since: asked)
        throw error
      }
    }
  }

  /// Runs `body` outside a transaction, for statements that need none or make their own.
  /// - Parameter seconds: how long to wait for another thread that uses the connection; nil: as long as it takes.
  func writeWithoutTransaction<Value>(
    waiting seconds: Double? = nil, _ body: (Database) throws -> Value
  ) throws -> Value {
    try opened(waiting: seconds) { try queue.writeWithoutTransaction(body) }
  }

  /// Whether this is the log that was there when it was first looked for. It comes with the first transaction, and
  /// stays until the last connection closes.
  func isLog(_ found: FilePlace?) -> Bool {
    log.withLock { known in
      if known == nil { known = found }
      return known == found
    }
  }

  /// Waits for the call in progress, then closes. Closing twice is no error.
  func close() throws {
    try lock.withLock {
      guard !isClosed else { return }
      try queue.close()
      isClosed = true
    }
  }

  private func opened<Value>(waiting seconds: Double? = nil, _ body: () throws -> Value) throws -> Value {
    if let seconds {
      try tryLock(for: seconds)
    } else {
      lock.lock()
    }
    defer { lock.unlock() }
    guard !isClosed else { throw JobStoreError.closed(path: path) }
    _ = try wake()
    return try body()
  }

  /// Takes `lock` within some seconds. They are counted by a clock that nobody sets: a wait until a time of day would
  /// last a year if the clock were set back by one.
  private func tryLock(for seconds: Double) throws {
    let end = ContinuousClock.now + .seconds(seconds)
    while !lock.try() {
      guard ContinuousClock.now < end else { throw JobStoreError.busy(path: path) }
      usleep(500)
    }
  }

  /// Takes the successor if it is time.
  /// - Returns: whether it was.
  private func wake() throws -> Bool {
    guard let next = try successor?() else { return false }
    try queue.close()
    (queue, successor) = (next, nil)
    return true
  }
}

/// The identity of a file. Another file with the same name is not equal.
struct FilePlace: Equatable {
  private let device: UInt64
  private let number: UInt64

  /// nil if there is no file.
  init?(of path: String) {
    var status = stat()
    guard stat(path, &status) == 0 else { return nil }
    device = UInt64(status.st_dev)
    number = UInt64(status.st_ino)
  }
}
