/// What the one row of the table `queue` says beside the counts.
package struct QueueMark: Sendable, Equatable {
  /// Whether nothing new is claimed.
  package var isPaused: Bool
  /// Where the queue was moved to; nil: it is here.
  package var movedTo: String?
  /// Which queue it is, wherever it is: its first move makes one, and every move carries it. nil: it was never moved.
  package var identity: String?

  /// - Parameters:
  ///   - isPaused: whether nothing new is claimed.
  ///   - movedTo: where it was moved to; nil: it is here.
  ///   - identity: which queue it is.
  package init(isPaused: Bool, movedTo: String?, identity: String?) {
    self.isPaused = isPaused
    self.movedTo = movedTo
    self.identity = identity
  }

  /// - Parameter reader: of the row, in either store.
  /// - Throws: `JobStoreError.damagedRow`
  package init(_ reader: RowReader) throws {
    isPaused = try reader.value("paused")
    movedTo = try reader.optional("moved_to")
    identity = try reader.optional("identity")
  }

  /// An identity that no other queue has.
  static func newIdentity() -> String {
    (0..<4).map { _ in String(UInt32.random(in: 0 ... .max), radix: 36) }.joined(separator: "-")
  }
}
