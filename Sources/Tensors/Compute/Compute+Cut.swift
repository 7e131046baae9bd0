extension Compute {
  /// The share of the time that threads are busy at least, if the shape of the work allows it.
  private static let goodShare = 0.95

  /// How many parts each of some blocks is cut into, so that the tasks keep all threads busy to the end.
  ///
  /// Every task takes about as long as any other, so the last round of tasks should be a full one. A few threads get the
  /// fewest parts. Results do not depend on it: nothing is summed up over the ends of a task.
  /// - Parameters:
  ///   - blocks: what is cut.
  ///   - least: parts at least.
  ///   - most: parts at most; below `least` it counts for nothing.
  package func cut(_ blocks: Int, into least: Int, most: Int) -> Int {
    let least = max(1, least)
    var best = (parts: least, share: 0.0)
    guard blocks > 0 else { return least }
    for parts in least...max(least, most) {
      let tasks = blocks * parts
      let rounds = (tasks + taskThreads - 1) / taskThreads
      let share = Double(tasks) / Double(rounds * taskThreads)
      if share > best.share { best = (parts, share) }
      // Beyond so many rounds no share is worse.
      if best.share >= Self.goodShare || rounds >= 32 { break }
    }
    return best.parts
  }
}
