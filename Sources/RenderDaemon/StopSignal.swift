import Foundation

/// Asks the worker to stop, and lets it sleep until asked.
package final class StopSignal: @unchecked Sendable {
  // Unchecked: `requested` is touched only with `condition` held.
  private let condition = NSCondition()
  private var requested = false

  package init() {}

  /// Whether somebody asked.
  package var isRequested: Bool {
    condition.lock()
    defer { condition.unlock() }
    return requested
  }

  /// Asks; wakes whoever sleeps.
  package func request() {
    condition.lock()
    requested = true
    condition.broadcast()
    condition.unlock()
  }

  /// Sleeps until asked, at most `seconds`. Returns whether it was asked.
  @discardableResult
  package func sleep(seconds: Double) -> Bool {
    condition.lock()
    defer { condition.unlock() }
    let end = Date(timeIntervalSinceNow: seconds)
    while !requested && condition.wait(until: end) {}
    return requested
  }
}
