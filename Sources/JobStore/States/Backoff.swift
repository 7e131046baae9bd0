/// How long a failed job waits before its next attempt. The pause doubles with every attempt, up to a limit. Half of
/// it is random, so that jobs which failed together are not retried together.
package struct Backoff: Sendable, Equatable {
  /// The pause before the second attempt.
  package var first: Milliseconds = 5_000
  /// The longest pause.
  package var ceiling: Milliseconds = 600_000

  package init() {}

  /// The pause after a number of attempts, 1 or more. `chance` is a random number in 0…1.
  package func pause(afterAttempts attempts: Int, chance: Double = .random(in: 0..<1)) -> Milliseconds {
    let doublings = min(max(attempts, 1) - 1, 30)
    let whole = min(first << Milliseconds(doublings), ceiling)
    return whole / 2 + Milliseconds(Double(whole / 2) * min(max(chance, 0), 1))
  }
}
