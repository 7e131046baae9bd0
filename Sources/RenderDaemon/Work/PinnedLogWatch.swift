/// When to warn of a write-ahead log that grows because of a reader. A `sqlite3` shell or a database browser that was
/// left in a transaction keeps every page that was written since.
package struct PinnedLogWatch {
  private var looks = 0
  private var saidAt: Int64 = 0

  package init() {}

  /// - Parameter size: the size of the log in bytes.
  /// - Returns: a warning if the log could not be reused before either, and again whenever its size has doubled.
  package mutating func report(_ size: Int64) -> String? {
    looks += 1
    guard looks > 1, size >= 2 * saidAt else { return nil }
    saidAt = size
    return """
      the queue's log has grown to \(size >> 20) MiB, because a reader keeps it from being copied back: end the \
      transaction of a sqlite3 shell or a database browser that was left open (fuser names who has the file open)
      """
  }

  /// Notes that no reader keeps the log.
  package mutating func isFree() { (looks, saidAt) = (0, 0) }
}
