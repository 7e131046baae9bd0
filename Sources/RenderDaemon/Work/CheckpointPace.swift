import Foundation
import Synchronization

/// Seconds that this daemon's last checkpoint or preview took. The next one, of any picture, will probably take as long.
package final class CheckpointCost: Sendable {
  private let last: Mutex<Double>

  /// - Parameter estimate: seconds, until the first one is written. A checkpoint takes that long on a slow disk.
  package init(estimate: Double = 0.02) { last = Mutex(estimate) }

  package var seconds: Double {
    get { last.withLock { $0 } }
    set { last.withLock { $0 = max(0.001, newValue) } }
  }
}

/// When to write the next checkpoint: after a fixed number of steps or, without one, so rarely that writing takes
/// less than its share of the time. Previews are paced like it.
package struct CheckpointPace: Sendable {
  /// One part in this many of the time.
  package enum Share: Double, Sendable {
    /// What previews may take, which nothing depends on.
    case preview = 200
    /// What checkpoints may take.
    case checkpoint = 100
    /// What checkpoints may take of a job that has lost a worker, so that it makes progress even if its workers are
    /// killed again and again.
    case eager = 10
  }

  private let steps: Int?
  private let cost: CheckpointCost
  private let share: Share
  private var lastStep: Int
  private var lastTime: Double

  /// - Parameters:
  ///   - steps: from one checkpoint to the next; nil means as often as their cost allows.
  ///   - cost: what the last checkpoints took.
  ///   - step: the step at which the render began or was resumed.
  ///   - share: of the time, without a number of steps.
  ///   - now: seconds, as `CheckpointPace.now`.
  package init(
    steps: Int?, cost: CheckpointCost, from step: Int, share: Share = .checkpoint, now: Double = Self.now
  ) {
    self.share = share
    self.steps = steps
    self.cost = cost
    lastStep = step
    lastTime = now
  }

  /// Seconds on the monotonic clock.
  package static var now: Double { ProcessInfo.processInfo.systemUptime }

  /// - Parameters:
  ///   - step: steps that are done.
  ///   - pictures: at work together. Each has its own written, so each does it so many times as seldom.
  ///   - now: seconds, as `CheckpointPace.now`.
  package func isDue(at step: Int, among pictures: Int = 1, now: Double = Self.now) -> Bool {
    guard step > lastStep else { return false }
    if let steps { return step - lastStep >= steps }
    // Twice as seldom: the time it took last may vary.
    return now - lastTime >= cost.seconds * 2 * share.rawValue * Double(pictures)
  }

  /// Notes that one was handed over to be written.
  /// - Parameters:
  ///   - step: at which it was made.
  ///   - now: seconds, as `CheckpointPace.now`.
  package mutating func made(at step: Int, now: Double = Self.now) {
    lastStep = step
    lastTime = now
  }
}
