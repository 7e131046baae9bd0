import JobStore
import Testing

/// Counts of what became of jobs since somebody began to watch.
@Suite struct StateCountsTests {
  private func counts(_ done: Int, _ failed: Int, _ cancelled: Int) -> StateCounts {
    var counts = StateCounts()
    (counts.queued, counts.running) = (2, 1)
    (counts.done, counts.failed, counts.cancelled) = (done, failed, cancelled)
    return counts
  }

  /// Numbers at one moment after another; what is counted at the last.
  @Test(arguments: [
    ([[5, 3, 1], [5, 3, 1]], [0, 0, 0]), ([[5, 3, 1], [7, 4, 1]], [2, 1, 0]),
    // A failed job is tried again, and fails again.
    ([[5, 3, 1], [5, 2, 1], [5, 3, 1]], [0, 1, 0]),
    // All that was done is purged, then one more is done.
    ([[5, 3, 1], [0, 3, 1], [1, 3, 1]], [1, 0, 0]),
    // Rows may say anything.
    ([[.max, .min, -1], [.min, .max, 4]], [0, 0, 5]),
  ])
  func onlyWhatIsNewCounts(moments: [[Int]], expected: [Int]) {
    var before = counts(moments[0][0], moments[0][1], moments[0][2])
    var news = StateCounts()
    for moment in moments {
      let now = counts(moment[0], moment[1], moment[2])
      before = before.atMost(now)
      news = now.since(before)
    }
    #expect(news == counts(expected[0], expected[1], expected[2]))
  }
}
