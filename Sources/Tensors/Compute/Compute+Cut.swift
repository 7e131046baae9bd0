extension Compute {
  /// The share of the time that threads are busy at least, if the shape of the work allows it.
  private static let goodShare = 0.95

  /// How many parts each of some blocks is cut into, so that the tasks keep all threads busy to the end: the last round of
  /// tasks should be a full one, and no part much larger than the others. A few threads get the fewest parts. Results do
  /// not depend on it: nothing is summed up over the ends of a task.
  /// - Parameters:
  ///   - blocks: how many are cut.
  ///   - size: what each has, in whole pieces.
  ///   - least: parts at least.
  ///   - most: parts at most, if that is not fewer; by default as many as there are pieces.
  package func cut(_ blocks: Int, of size: Int, into least: Int, most: Int? = nil) -> Int {
    let least = max(1, least)
    var best = (parts: least, share: 0.0)
    guard blocks > 0, size > 0 else { return least }
    for parts in least...max(least, min(size, most ?? size)) {
      let rounds = (blocks * parts + taskThreads - 1) / taskThreads
      let largest = (size + parts - 1) / parts
      let share = Double(blocks * size) / Double(rounds * taskThreads * largest)
      if share > best.share { best = (parts, share) }
      // Beyond so many rounds none is much better.
      if best.share >= Self.goodShare || rounds >= 32 { break }
    }
    return best.parts
  }
}
