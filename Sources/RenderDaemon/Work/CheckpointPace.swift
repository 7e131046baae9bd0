import Foundation
import Synchronization

/// What this daemon's last checkpoint cost. The next one, of any picture, will probably cost as much.
package final class CheckpointCost: Sendable {
  /// Until the first one is written, the time that it takes on a slow disk.
  private let last = Mutex((seconds: 0.02, bytes: 0))

  package init() {}

  package var seconds: Double {
    get { last.withLock { $0.seconds } }
    set { last.withLock { $0.seconds = max(0.001, newValue) } }
  }

  /// Of the state.
  package var bytes: Int {
    get { last.withLock { $0.bytes } }
    set { last.withLock { $0.bytes = max(0, newValue) } }
  }
}

/// When to write the next checkpoint: after a fixed number of steps or, without one, so rarely that writing takes
/// less than a hundredth of the time, and less than `bytesPerSecond`. Where a write takes no time, every step would be
/// written otherwise: half a gigabyte a second with ten thousand daemons on a store that they share.
package struct CheckpointPace: Sendable {
  /// Bytes of states that a daemon writes in a second, on average. A 64×64 latent is saved every few seconds.
  package static let bytesPerSecond = 24.0 * 1024

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
    let byCost = cost.seconds * 2 * share
    // A job that has lost a worker must get further before the next loss, whatever that costs.
    let byBytes = share > 10 ? Double(cost.bytes) / Self.bytesPerSecond : 0
    return now - lastTime >= max(byCost, byBytes) * Double(pictures)
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
