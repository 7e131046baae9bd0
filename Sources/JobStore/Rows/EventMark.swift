/// How far somebody has read the events.
package struct EventMark: Sendable, Equatable {
  /// The number of the last event that was read. Where several transactions write events at once, smaller ones may come.
  package var number: Int64
  /// What was there when somebody looked before: all events in it are read. nil: `number` alone says it.
  package var seen: String?
  /// What was there when somebody looked last, and whose events behind `number` are still to be read; nil: they are.
  package var rest: String?

  /// - Parameters:
  ///   - number: of the last event that was read.
  ///   - seen: as the store names what was there before.
  ///   - rest: as the store names what is still to be read.
  package init(number: Int64, seen: String? = nil, rest: String? = nil) {
    self.number = number
    self.seen = seen
    self.rest = rest
  }

  /// Before all events.
  package static let start = EventMark(number: 0)

  /// The most events that are read at a time.
  package static let most = 1000
}
