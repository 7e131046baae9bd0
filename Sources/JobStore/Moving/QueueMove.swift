import GRDB

/// A queue that goes from one place to another, whole or not at all. Nobody may work on it meanwhile.
///
/// The target's transaction ends first, and leaves the target marked as one that was moved to the source: until the source
/// is marked in its turn, the source is the queue. Then the target's mark goes. So a move that is killed leaves one of them
/// usable, or for a moment none, and never both; another move ends it.
package struct QueueMove {
  private let source: any MovableQueue
  private let target: any MovableQueue

  /// - Parameters:
  ///   - source: the queue.
  ///   - target: an empty queue, or a place where there is none.
  package init(from source: any MovableQueue, to target: any MovableQueue) {
    self.source = source
    self.target = target
  }

  /// What would be moved.
  /// - Throws: `JobStoreError.notMovable`, `.occupied`, `.moved`, …
  package func look() throws -> MovedQueue {
    try source.look { source in
      let mark = try source.mark()
      if let elsewhere = mark.movedTo {
        throw JobStoreError.moved(path: self.source.place, to: elsewhere)
      }
      try source.expectStill(at: self.source.place)
      do {
        try target.look { try $0.expectVacant(at: target.place, for: mark.identity) }
      } catch JobStoreError.noQueue {}
      return try content(of: source)
    }
  }

  /// Moves it.
  /// - Throws: `JobStoreError.notMovable`, `.occupied`, `.moved`, …
  package func run() throws -> MovedQueue {
    // Both have it from then on, so that a move which was killed is known.
    let identity = try source.hold { source in
      var mark = try source.mark()
      if let known = mark.identity { return known }
      let made = QueueMark.newIdentity()
      mark.identity = made
      try source.mark(mark)
      return made
    }
    let moved = try source.hold { source in
      var mark = try source.mark()
      if let elsewhere = mark.movedTo {
        return try arrived(from: source, with: identity, goneTo: elsewhere)
      }
      try source.expectStill(at: self.source.place)
      let moved = try target.hold { target in
        try target.expectVacant(at: self.target.place, for: identity)
        return try carry(source, to: target, with: identity)
      }
      try source.expelWorkers()
      (mark.isPaused, mark.movedTo) = (true, self.target.place)
      try source.mark(mark)
      return moved
    }
    try target.hold { target in
      var mark = try target.mark()
      mark.movedTo = nil
      try target.mark(mark)
    }
    return moved
  }

  /// What there is of a queue that is gone already, by a move whose last step is missing.
  private func arrived(
    from source: any HeldQueue, with identity: String, goneTo elsewhere: String
  ) throws -> MovedQueue {
    let moved = JobStoreError.moved(path: self.source.place, to: elsewhere)
    guard elsewhere == target.place else { throw moved }
    let there = try target.look { try $0.mark() }
    guard there.identity == identity, there.movedTo == self.source.place else { throw moved }
    var content = try content(of: source)
    // The old queue is paused because it is gone.
    content.isPaused = there.isPaused
    return content
  }

  /// Copies all rows, and leaves the target marked as one that was moved to the source.
  private func carry(
    _ source: any HeldQueue, to target: any HeldQueue, with identity: String
  ) throws -> MovedQueue {
    for table in MovedTable.all.reversed() { try target.empty(table) }
    for table in MovedTable.all {
      let given = try source.columns(of: table)
      guard !given.isEmpty else { continue }
      for rows in try target.landings(of: table, given: given) {
        let next = try source.rows(
          rows.select(table, from: source.relation(of: table)), atOnce: table.rowsAtOnce)
        let count = try target.insert(rows, atOnce: table.rowsAtOnce, next: next)
        try expect(count, try target.count(in: rows.table), "rows", in: rows.table)
      }
    }
    try target.settle(source.lastNumbers())
    let moved = try content(of: source)
    let arrived = try target.stateCounts()
    for state in JobState.allCases {
      try expect(moved.counts[state], arrived[state], "\(state.rawValue) jobs", in: MovedTable.jobs.name)
    }
    let mark = QueueMark(
      isPaused: try source.mark().isPaused, movedTo: self.source.place, identity: identity)
    try target.mark(mark)
    return moved
  }

  private func content(of source: any HeldQueue) throws -> MovedQueue {
    var moved = MovedQueue(isPaused: try source.mark().isPaused, counts: try source.stateCounts())
    for table in MovedTable.all where try !source.columns(of: table).isEmpty {
      moved.rows[table.name] = try source.count(table)
    }
    return moved
  }

  /// A trigger that somebody made in the target could lose a row without a word.
  private func expect(_ sent: Int, _ found: Int, _ what: String, in table: String) throws {
    guard sent == found else {
      throw JobStoreError.notMovable(
        path: source.place,
        reason:
          "of \(sent) \(what) of table \(table), \(found) arrived in \(target.place): nothing was changed"
      )
    }
  }
}

/// What was moved.
package struct MovedQueue: Sendable, Equatable {
  /// Whether the queue is paused.
  package var isPaused: Bool
  /// Jobs by their states.
  package var counts: StateCounts
  /// Rows that were moved, by the names of their tables.
  package var rows: [String: Int] = [:]
}
