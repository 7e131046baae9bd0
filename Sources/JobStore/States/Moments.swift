import Foundation

/// A point in time as the tables store it: milliseconds since 1970.
package typealias Milliseconds = Int64

extension Date {
  /// The time as the tables store it. Times that they cannot hold are clamped.
  package var milliseconds: Milliseconds {
    let value = timeIntervalSince1970 * 1000
    guard value.isFinite, abs(value) < 9e15 else { return value > 0 ? 9_000_000_000_000_000 : 0 }
    return Milliseconds(value.rounded())
  }

  /// A time from a table.
  package init(milliseconds: Milliseconds) {
    self.init(timeIntervalSince1970: Double(milliseconds) / 1000)
  }
}

extension Double {
  /// Seconds as milliseconds. NaN and numbers too large for a time become 0.
  package var asMilliseconds: Milliseconds {
    isFinite && abs(self) < 9e12 ? Milliseconds((self * 1000).rounded()) : 0
  }
}

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
