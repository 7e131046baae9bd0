import Synchronization

/// The tasks of every section of a computation, with the seconds that each took. `ThreadPlan` computes from it what other
/// numbers of threads would take. It records on a pool of one thread, where no task disturbs another.
package final class SectionTrace: Sendable {
  /// A parallel section.
  package struct Section: Sendable, Equatable {
    /// The layer that it belongs to; nil outside of any.
    package let layer: String?
    /// Seconds of each task, in the order in which tasks are handed out.
    package var tasks: [Double]
    /// Seconds from the end of the section before it, or from the start, which one thread took.
    package var before: Double

    package init(layer: String?, before: Double = 0, tasks: [Double]) {
      self.layer = layer
      self.before = before
      self.tasks = tasks
    }
  }

  private struct State {
    var isRecording = false
    var layers: [String] = []
    var sections: [Section] = []
    /// When the last section ended.
    var ended = ContinuousClock.now
  }

  private let state = Mutex(State())

  package init() {}

  /// Records what `body` computes.
  /// - Returns: all sections, in order, and the seconds that all of it took.
  package func record(_ body: () throws -> Void) rethrows -> (sections: [Section], seconds: Double) {
    state.withLock { $0 = State(isRecording: true) }
    defer { state.withLock { $0 = State() } }
    let seconds = try ContinuousClock().measure {
      state.withLock { $0.ended = .now }
      try body()
    }.seconds
    return (state.withLock { $0.sections }, seconds)
  }

  /// Runs a section's tasks one after another.
  /// - Returns: false if nothing is recorded; then nothing has run.
  func run(_ taskCount: Int, _ body: (Int) -> Void) -> Bool {
    guard state.withLock({ $0.isRecording }) else { return false }
    let clock = ContinuousClock()
    let begun = clock.now
    let tasks = (0..<taskCount).map { task in clock.measure { body(task) }.seconds }
    state.withLock {
      $0.sections.append(
        Section(layer: $0.layers.first, before: (begun - $0.ended).seconds, tasks: tasks))
      $0.ended = clock.now
    }
    return true
  }

  /// What follows belongs to a layer. A layer inside another one counts for the outer one.
  func enter(_ layer: String) { state.withLock { $0.layers.append(layer) } }

  func leave() { state.withLock { _ = $0.layers.popLast() } }
}
