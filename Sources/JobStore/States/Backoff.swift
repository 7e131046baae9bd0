/// How long a failed job waits before its next attempt: the pause doubles with every attempt up to a
/// ceiling, and half of it is chance, so that jobs that failed together don't come back together.
package struct Backoff: Sendable, Equatable {
  /// Before the second attempt.
  package var first: Milliseconds = 5_000
  /// At most.
  package var ceiling: Milliseconds = 600_000

  package init() {}

  /// The pause after a number of attempts (1 or more). `chance` is from 0 to 1.
  package func pause(afterAttempts attempts: Int, chance: Double = .random(in: 0..<1)) -> Milliseconds {
    let doublings = min(max(attempts, 1) - 1, 30)
    let whole = min(first << Milliseconds(doublings), ceiling)
    return whole / 2 + Milliseconds(Double(whole / 2) * min(max(chance, 0), 1))
  }
}
