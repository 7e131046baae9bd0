import Foundation

/// Something that one thread uses at a time, for as long as it takes. Others wait, until it is free or the daemon stops.
final class Turn<Value>: Sendable {
  private let changed = NSCondition()
  /// Used only by whoever has taken it.
  private nonisolated(unsafe) var value: Value
  /// Guarded by `changed`, like `isOver`.
  private nonisolated(unsafe) var isTaken = false
  private nonisolated(unsafe) var isOver = false

  init(_ value: sending Value) { self.value = value }

  /// Waits for it, and runs `body` with it.
  /// - Returns: nil if it is not lent any more.
  func take<Result>(_ body: (inout Value) throws -> Result) rethrows -> Result? {
    guard begin() else { return nil }
    defer { end() }
    return try body(&value)
  }

  /// Lends it to nobody from now on. Whoever has it keeps it until he is done.
  func close() {
    changed.lock()
    isOver = true
    changed.broadcast()
    changed.unlock()
  }

  private func begin() -> Bool {
    changed.lock()
    defer { changed.unlock() }
    while isTaken, !isOver { changed.wait() }
    guard !isOver else { return false }
    isTaken = true
    return true
  }

  private func end() {
    changed.lock()
    isTaken = false
    changed.signal()
    changed.unlock()
  }
}
