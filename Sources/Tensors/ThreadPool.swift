import Foundation
import Synchronization

/// A fixed set of threads that share out the tasks of one parallel section at a time.
///
/// Idle threads sleep on a condition; nothing spins. How work is cut into tasks is the caller's
/// choice and must not depend on the number of threads: then no result does.
package final class ThreadPool: Sendable {
  /// Threads that work on a section, the calling one included.
  package let threadCount: Int
  private let board: Board

  /// Starts `threadCount - 1` threads; the caller of `run` is the last one.
  package init(threadCount: Int) {
    self.threadCount = max(1, threadCount)
    let board = Board()
    self.board = board
    for index in 1..<max(1, self.threadCount) {
      let thread = Thread { board.work() }
      thread.name = "segmoe-compute-\(index)"
      thread.stackSize = 4 << 20
      thread.start()
    }
  }

  deinit { board.close() }

  /// Runs `body(0) … body(taskCount - 1)`, each once, and returns when all have ended.
  /// Sections of one pool run one after another: a second caller waits.
  package func run(_ taskCount: Int, _ body: (Int) -> Void) {
    if taskCount <= 1 || threadCount == 1 {
      for task in 0..<max(0, taskCount) { body(task) }
      return
    }
    withoutActuallyEscaping(body) { body in
      board.run(Section(taskCount: taskCount, body: body))
    }
  }
}

/// One parallel section: a counter of tasks handed out and one of tasks finished.
private final class Section: @unchecked Sendable {
  // Unchecked: `body` is called from several threads, which is what the caller asks for.
  let taskCount: Int
  let body: (Int) -> Void
  let next = Atomic<Int>(0)
  let finished = Atomic<Int>(0)

  init(taskCount: Int, body: @escaping (Int) -> Void) {
    self.taskCount = taskCount
    self.body = body
  }

  /// Takes tasks until none is left; true if the last of all finished here.
  func drain() -> Bool {
    var last = false
    while true {
      let task = next.wrappingAdd(1, ordering: .relaxed).oldValue
      if task >= taskCount { return last }
      body(task)
      last = finished.wrappingAdd(1, ordering: .acquiringAndReleasing).newValue == taskCount
    }
  }
}

/// Where sections are posted and threads wait for them.
private final class Board: @unchecked Sendable {
  // Unchecked: every property is read and written with `condition` held.
  private let condition = NSCondition()
  private let turn = NSLock()
  private var section: Section?
  private var generation = 0
  private var inside = 0
  private var closed = false

  func run(_ section: Section) {
    turn.lock()
    defer { turn.unlock() }
    condition.lock()
    self.section = section
    generation += 1
    condition.broadcast()
    condition.unlock()
    _ = section.drain()
    condition.lock()
    self.section = nil
    // No thread may still hold the section's body when this returns.
    while section.finished.load(ordering: .acquiring) < section.taskCount || inside > 0 {
      condition.wait()
    }
    condition.unlock()
  }

  func work() {
    var seen = 0
    condition.lock()
    while !closed {
      guard let section, generation != seen else {
        condition.wait()
        continue
      }
      seen = generation
      inside += 1
      condition.unlock()
      _ = section.drain()
      condition.lock()
      inside -= 1
      if inside == 0 { condition.broadcast() }
    }
    condition.unlock()
  }

  func close() {
    condition.lock()
    closed = true
    condition.broadcast()
    condition.unlock()
  }
}
