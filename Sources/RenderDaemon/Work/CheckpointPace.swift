import Foundation
import Synchronization

/// What this daemon's last checkpoint or preview cost. The next one, of any picture, will probably cost as much.
package final class CheckpointCost: Sendable {
  private let last: Mutex<(seconds: Double, bytes: Int)>

  /// - Parameter estimate: seconds, until the first one is written. A checkpoint takes that long on a slow disk.
  package init(estimate: Double = 0.02) { last = Mutex((seconds: estimate, bytes: 0)) }

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
/// less than its share of the time, and less than `bytesPerSecond`. Where a write takes no time, every step would be
/// written otherwise: half a gigabyte a second with ten thousand daemons on a store that they share. Previews are paced
/// like it.
package struct CheckpointPace: Sendable {
  /// Bytes of states that a daemon writes in a second, on average. A 64×64 latent is saved every few seconds.
  package static let bytesPerSecond = 24.0 * 1024

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
    let byCost = cost.seconds * 2 * share.rawValue
    // A job that has lost a worker must get further before the next loss, whatever that costs.
    let byBytes = share == .eager ? 0 : Double(cost.bytes) / Self.bytesPerSecond
    return now - lastTime >= max(byCost, byBytes) * Double(pictures)
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
