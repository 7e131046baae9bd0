import Foundation
import Synchronization

/// Seconds that this daemon's last checkpoint took. The next one, of any picture, will probably take as long.
package final class CheckpointCost: Sendable {
  /// Until the first one is written, the time that it takes on a slow disk.
  private let last = Mutex(0.02)

  package init() {}

  package var seconds: Double {
    get { last.withLock { $0 } }
    set { last.withLock { $0 = max(0.001, newValue) } }
  }
}

/// When to write the next checkpoint: after a fixed number of steps or, without one, so rarely that writing takes
/// less than a hundredth of the time.
package struct CheckpointPace: Sendable {
  private let steps: Int?
  private let cost: CheckpointCost
  /// Checkpoints may take one part in this many of the time.
  private let share: Double
  private var lastStep: Int
  private var lastTime: Double

  /// - Parameters:
  ///   - steps: from one checkpoint to the next; nil means as often as their cost allows.
  ///   - cost: what the last checkpoints took.
  ///   - step: the step at which the render began or was resumed.
  ///   - isEager: whether the job has lost a worker. Then checkpoints may take a tenth of the time rather than a
  ///     hundredth, so that the job makes progress even if its workers are killed again and again.
  ///   - now: seconds, as `CheckpointPace.now`.
  package init(
    steps: Int?, cost: CheckpointCost, from step: Int, isEager: Bool = false, now: Double = Self.now
  ) {
    share = isEager ? 10 : 100
    self.steps = steps
    self.cost = cost
    lastStep = step
    lastTime = now
  }

  /// Seconds on the monotonic clock.
  package static var now: Double { ProcessInfo.processInfo.systemUptime }

  /// - Parameters:
  ///   - step: steps that are done.
  ///   - pictures: at work together. Each writes checkpoints of its own, so each does it so many times as seldom.
  ///   - now: seconds, as `CheckpointPace.now`.
  package func isDue(at step: Int, among pictures: Int = 1, now: Double = Self.now) -> Bool {
    guard step > lastStep else { return false }
    if let steps { return step - lastStep >= steps }
    // Twice as seldom: the time it took last may vary.
    return now - lastTime >= cost.seconds * 2 * share * Double(pictures)
  }

  /// Notes that a checkpoint was handed over to be written.
  /// - Parameters:
  ///   - step: at which it was made.
  ///   - now: seconds, as `CheckpointPace.now`.
  package mutating func made(at step: Int, now: Double = Self.now) {
    lastStep = step
    lastTime = now
  }
}
