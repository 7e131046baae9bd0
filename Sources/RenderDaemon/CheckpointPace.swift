import Foundation

/// When to write the next checkpoint: after a fixed number of steps, or, without one, as seldom as keeps
/// writing below a hundredth of the time.
struct CheckpointPace {
  private let steps: Int?
  private var lastStep: Int
  private var lastTime: Double
  /// Seconds that the last one took; before the first, what it takes on a slow disk.
  private var cost = 0.02

  /// - Parameters:
  ///   - steps: from one checkpoint to the next; nil: as their cost allows.
  ///   - step: the steps that were done when the render began or was taken up.
  init(steps: Int?, from step: Int, now: Double = Self.now) {
    self.steps = steps
    lastStep = step
    lastTime = now
  }

  /// Seconds on a clock that only goes forward.
  static var now: Double { ProcessInfo.processInfo.systemUptime }

  func isDue(at step: Int, now: Double = Self.now) -> Bool {
    guard step > lastStep else { return false }
    if let steps { return step - lastStep >= steps }
    // Twice a hundred times: the time it took last may vary.
    return now - lastTime >= cost * 200
  }

  /// Runs `body`, which writes a checkpoint, and remembers what it took.
  mutating func measure(at step: Int, _ body: () throws -> Void) rethrows {
    let begun = Self.now
    try body()
    lastStep = step
    lastTime = Self.now
    cost = max(0.001, lastTime - begun)
  }
}
