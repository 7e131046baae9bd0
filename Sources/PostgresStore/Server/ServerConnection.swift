import Foundation
import GRDB
import JobStore

/// A connection to the server that comes back when it was lost, and may be used from several threads; calls wait for each
/// other.
///
/// Each call is one transaction that may be repeated: a worker's changes name the token of a lease, an enqueue has one of
/// its own, and what a client asks for is the same a second time. So whatever was lost on the way, or lost to another
/// transaction, is sent again.
final class ServerConnection: Sendable {
  let address: ServerAddress
  /// Guarded by `lock`.
  private nonisolated(unsafe) var link: ServerLink?
  /// Guarded by `lock`.
  private nonisolated(unsafe) var isClosed = false
  private let lock = NSLock()

  /// How often a transaction is tried that loses to others.
  private static let tries = 10
  /// Seconds for which a lost server is looked for.
  private static let patience = 10.0

  /// - Throws: `JobStoreError.unreachable`
  init(_ address: ServerAddress) throws {
    self.address = address
    do {
      link = try ServerLink(address)
    } catch let error as ServerError {
      throw error.translated(address)
    }
  }

  /// The rows that one statement answers with.
  /// - Parameters:
  ///   - sql: one statement, with $1, $2, … for values.
  ///   - values: in order.
  /// - Throws: `JobStoreError`
  func rows(_ sql: String, _ values: [ServerValue] = []) throws -> [Row] {
    try repeating { link in try link.rows(sql, values) }
  }

  /// As `rows`, but waits neither for another thread nor for a server that was lost.
  /// - Throws: `JobStoreError.busy` if it would have to. What was asked for may have been done.
  func rowsAtOnce(_ sql: String, _ values: [ServerValue] = []) throws -> [Row] {
    let busy = JobStoreError.busy(path: address.description)
    guard lock.try() else { throw busy }
    defer { lock.unlock() }
    guard !isClosed else { throw JobStoreError.closed(path: address.description) }
    guard let open = link, open.isOpen else { throw busy }
    do {
      return try open.rows(sql, values)
    } catch let error as ServerError {
      guard error.isConflict || isLost(error) else { throw error.translated(address) }
      throw busy
    }
  }

  /// Runs `body` in one transaction. It may run more than once, and must do the same each time.
  /// - Throws: `JobStoreError`, and what `body` throws.
  func transaction<Value>(_ body: (ServerLink) throws -> Value) throws -> Value {
    try repeating { link in try link.transaction { try body(link) } }
  }

  /// Listens to a channel of the server, if the connection is open and is no pooler's. It is never opened for this.
  /// - Returns: a descriptor that can be read when there may be news; nil if none will come.
  func descriptor(listeningTo channel: String) -> Int32? {
    lock.withLock {
      guard let link, link.isOpen, link.listens(to: channel) else { return nil }
      return link.descriptor
    }
  }

  /// Takes in what the server has said, without waiting for anything.
  /// - Returns: whether there was news.
  func hears() -> Bool { lock.withLock { link?.hears() ?? false } }

  /// Closes it. Later calls throw `JobStoreError.closed`.
  func close() {
    lock.withLock {
      link = nil
      isClosed = true
    }
  }

  private func repeating<Value>(_ body: (ServerLink) throws -> Value) throws -> Value {
    try lock.withLock {
      var conflicts = 0
      var end: ContinuousClock.Instant?
      while true {
        guard !isClosed else { throw JobStoreError.closed(path: address.description) }
        do {
          if link?.isOpen != true { link = nil }
          let open = try link ?? ServerLink(address)
          link = open
          return try body(open)
        } catch let error as ServerError {
          if error.isConflict, conflicts < Self.tries {
            conflicts += 1
            usleep(.random(in: 0..<(1000 << UInt32(min(conflicts, 6)))))
            continue
          }
          guard isLost(error) else { throw error.translated(address) }
          // What the server had begun it ends by itself.
          link = nil
          let last = end ?? .now + .seconds(Self.patience)
          end = last
          guard ContinuousClock.now < last else { throw error.translated(address) }
          usleep(.random(in: 20_000..<200_000))
        }
      }
    }
  }

  /// Whether the connection is of no use any more.
  private func isLost(_ error: ServerError) -> Bool {
    switch error {
    case .lost: true
    // The server is going down, or has ended this connection.
    case .refused(let state, _): state.hasPrefix("57P") || link?.isOpen != true
    case .zeroByte, .unexpected: false
    }
  }
}
